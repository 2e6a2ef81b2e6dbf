#include "tools/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <new>

#include "bt/core/build_info.h"
#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt::tools {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A folder that looks like LibTorch; removed at the end.
class Launcher : public testing::Test {
 protected:
  Launcher() : root_(fs::temp_directory_path() / ("bt_launcher_" + std::to_string(getpid()))) {
    fs::create_directories(root_ / "lib");
    fs::create_directories(root_ / "include/torch/headeronly");
    write_file_atomically((root_ / "lib/libtorch_cpu.so").string(), "");
  }
  ~Launcher() override {
    unsetenv("BT_LIBTORCH");
    fs::remove_all(root_);
  }
  void write_version_py(const std::string& version) {
    write_file_atomically((root_ / "version.py").string(), "debug = False\n__version__ = '" + version + "'\n");
  }
  ExitCode code_of_find() {
    try {
      find_libtorch("/");
    } catch (const Error& error) {
      EXPECT_FALSE(error.problem().next_step.empty());
      return error.code();
    }
    return ExitCode::done;
  }
  const fs::path root_;
};

TEST_F(Launcher, ReadsTheVersionFromHeaderPythonFileOrZip) {
  EXPECT_EQ(libtorch_version(root_.string()), "");
  write_file_atomically((root_ / "build-version").string(), "2.9.1+cu130\n");
  EXPECT_EQ(libtorch_version(root_.string()), "2.9.1");
  write_version_py("2.10.0+cu130");
  EXPECT_EQ(libtorch_version(root_.string()), "2.10.0");
  write_file_atomically((root_ / "include/torch/headeronly/version.h").string(),
                        "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION \\\n  \"2.11.3\"\n");
  EXPECT_EQ(libtorch_version(root_.string()), "2.11.3");
}

TEST_F(Launcher, TakesTheFolderOfTheEnvironmentFirst) {
  write_version_py(build_info().libtorch_version);
  setenv("BT_LIBTORCH", root_.c_str(), 1);
  EXPECT_EQ(find_libtorch("/"), root_.string());
}

TEST_F(Launcher, RefusesAnotherMinorVersion) {
  write_version_py("1.13.1");
  setenv("BT_LIBTORCH", root_.c_str(), 1);
  EXPECT_EQ(code_of_find(), ExitCode::usage);
}

TEST_F(Launcher, RefusesAFolderWithoutLibTorch) {
  setenv("BT_LIBTORCH", (root_ / "include").c_str(), 1);
  EXPECT_EQ(code_of_find(), ExitCode::usage);
}

TEST_F(Launcher, NamesALibraryThatCannotBeOpened) {
  write_version_py(build_info().libtorch_version);
  setenv("BT_LIBTORCH", root_.c_str(), 1);
  try {
    launch("bt_train_main", nullptr, "cpu");
    FAIL() << "an empty file was opened as LibTorch";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), HasSubstr("libtorch_cpu.so"));
  }
}

TEST_F(Launcher, OpensLibTorchAndNamesAMissingEntryPoint) {
  try {
    launch("bt_no_such_entry", nullptr, "cpu");
    FAIL() << "an entry point that does not exist was called";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), HasSubstr("bt_no_such_entry"));
  }
}

class Segments : public testing::Test {
 protected:
  Segments() { forget(); }
  ~Segments() override { forget(); }
  static void forget() {
    for (const char* name : {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"}) unsetenv(name);
  }
  static std::string set_to(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }
};

TEST_F(Segments, ExpandWhereTheUserSaysNothing) {
  use_expandable_segments();
  EXPECT_EQ(set_to("PYTORCH_ALLOC_CONF"), "expandable_segments:True");
  EXPECT_EQ(set_to("PYTORCH_CUDA_ALLOC_CONF"), "");
}

TEST_F(Segments, AreTheUsersOwnWhereSet) {
  for (const char* name : {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"}) {
    forget();
    setenv(name, "max_split_size_mb:64", 1);
    use_expandable_segments();
    EXPECT_EQ(set_to("PYTORCH_ALLOC_CONF") + set_to("PYTORCH_CUDA_ALLOC_CONF"), "max_split_size_mb:64");
  }
}

TEST_F(Segments, AreSetBeforeLibTorchIsOpenedForAGpu) {
  const auto set_by_launch = [&](const char* device) {
    forget();
    try {
      launch("bt_no_such_entry", nullptr, device);
    } catch (const Error&) {
    }
    return set_to("PYTORCH_ALLOC_CONF");
  };
  EXPECT_EQ(set_by_launch("cpu"), "");
  EXPECT_EQ(set_by_launch("auto"), "expandable_segments:True");
}

TEST(Guarded, TurnsFailuresIntoExitCodes) {
  EXPECT_EQ(guarded("tool", [] { return 7; }), 7);
  EXPECT_EQ(guarded("tool", []() -> int { fail_usage({.what = "bad"}); }), 2);
  EXPECT_EQ(guarded("tool", []() -> int { throw Error(ExitCode::numerical, {.what = "nan"}); }), 4);
  EXPECT_EQ(guarded("tool", []() -> int { throw std::bad_alloc(); }), 5);
  EXPECT_EQ(guarded("tool", []() -> int { throw std::runtime_error("CUDA out of memory. Tried to allocate 2 GiB"); }),
            5);
  EXPECT_EQ(guarded("tool", []() -> int { throw std::logic_error("assertion"); }), 1);
}

TEST(VersionText, NamesToolVersionCompilerAndLibTorch) {
  const std::string text = version_text("bt-train");
  for (const char* part : {"bt-train ", build_info().version, build_info().compiler, build_info().libtorch_version})
    EXPECT_THAT(text, HasSubstr(part));
}

}  // namespace
}  // namespace bt::tools
