// Suites named Gpu…: the operators with the CUDA kernels on a real device, against their readable form. They skip
// themselves where there is none.
#pragma once

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace bt::testing {

// Opens the kernels beside the program, as tools/launcher.cpp does. Returns why they cannot be tested here, "" if they
// can. Throws where they are built but cannot be opened.
inline std::string open_kernels() {
  if (dlopen("libcuda.so.1", RTLD_LAZY) == nullptr) return "no CUDA driver";
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto library = program.parent_path().parent_path() / "lib" / "libbt_ops_cuda.so";
  if (!std::filesystem::exists(library)) return "built without the CUDA kernels";
  // Before anything asks LibTorch for CUDA: it remembers the first answer. The library brings LibTorch's CUDA part.
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw std::runtime_error(dlerror());
  return at::hasCUDA() ? "" : "no CUDA device";
}

inline bool has_kernel(const char* op) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(op, "").hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

// For the SetUp of a fixture.
inline void skip_without_kernels() {
  static const std::string obstacle = open_kernels();
  if (!obstacle.empty()) GTEST_SKIP() << obstacle;
}

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override { skip_without_kernels(); }
};

}  // namespace bt::testing
