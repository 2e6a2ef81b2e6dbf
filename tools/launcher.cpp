#include "tools/launcher.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <vector>

#include "bt/core/build_info.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt::tools {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool holds_libtorch(const fs::path& root) { return is_file(root / "lib" / "libtorch_cpu.so"); }

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) fail_io({.what = "cannot find the program's own folder", .where = "/proc/self/exe"});
  return program.parent_path();
}

// LibTorch of the virtual environment in `folder`, "" if there is none.
fs::path libtorch_of_venv(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / ".venv" / "lib", ignored)) {
    const fs::path root = entry.path() / "site-packages" / "torch";
    if (holds_libtorch(root)) return root;
  }
  return {};
}

// The text between quotes after `key` in the file, "" if the file or the key is missing.
std::string quoted_after(const fs::path& path, std::string_view key, char quote) {
  constexpr uint64_t max_bytes = 1 << 20;
  if (!is_file(path)) return "";
  const std::string text = read_file(path.string(), max_bytes);
  const size_t at = text.find(key);
  if (at == std::string::npos) return "";
  const size_t begin = text.find(quote, at + key.size());
  const size_t end = begin == std::string::npos ? begin : text.find(quote, begin + 1);
  return end == std::string::npos ? "" : text.substr(begin + 1, end - begin - 1);
}

std::string major_minor(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

// LibTorch's C++ ABI holds within a minor release only.
void check_version(const std::string& root) {
  const std::string built = build_info().libtorch_version, found = libtorch_version(root);
  if (found.empty() || major_minor(found) == major_minor(built)) return;
  fail_usage(
      {.what = "this LibTorch has another version than the one built against",
       .where = root,
       .expected = str(major_minor(built), ".x"),
       .found = found,
       .next_step = str("point BT_LIBTORCH at a LibTorch ", major_minor(built), ", or configure and build again")});
}

void* open_library(const fs::path& path, const std::string& next_step) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle != nullptr) return handle;
  const char* reason = dlerror();
  throw Error(ExitCode::bad_file, {.what = "cannot open a shared library",
                                   .where = path.string(),
                                   .found = reason == nullptr ? "" : reason,
                                   .next_step = next_step});
}

bool has_cuda_driver() {  // the driver's own library: present wherever a GPU can be used
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver != nullptr) dlclose(driver);
  return driver != nullptr;
}

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

// Before anything asks LibTorch for CUDA: it remembers the first answer.
void open_cuda(const fs::path& root, std::string_view device, const fs::path& bt_libraries) {
  const bool optional = device == "auto";
  if (device == "cpu" || (optional && !has_cuda_driver())) return;
  const fs::path library = root / "lib" / "libtorch_cuda.so";
  const std::string next_step =
      "install all of this LibTorch's CUDA packages (the light set-up leaves them out), "
      "or use --device cpu";
  try {
    if (!is_file(library))
      fail_usage({.what = "this LibTorch has no CUDA part", .where = root.string(), .next_step = next_step});
    open_library(library, next_step);
    const fs::path kernels = bt_libraries / "libbt_ops_cuda.so";  // replaces readable operators by fast ones
    if (is_file(kernels)) open_library(kernels, "build with the cuda preset again");
  } catch (const Error& error) {
    if (!optional) throw;
    std::fprintf(stderr, "no CUDA, continuing on the CPU: %s\n", error.what());
  }
}

// libbt.so in ../lib of the program (both in a build folder and installed).
fs::path bt_library_folder(const fs::path& folder) {
  for (const char* name : {"lib", "lib64", "lib/x86_64-linux-gnu"}) {
    const fs::path libraries = folder.parent_path() / name;
    if (is_file(libraries / "libbt.so")) return libraries;
  }
  throw Error(ExitCode::bad_file, {.what = "libbt.so is missing",
                                   .where = (folder.parent_path() / "lib").string(),
                                   .next_step = "build the target `tools`, or install again"});
}

// LibTorch is not linked, so its own errors are known by their text.
bool is_out_of_memory(const std::exception& error) {
  const std::string_view text = error.what();
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr || text.find("out of memory") != text.npos ||
         text.find("not enough memory") != text.npos || text.find("can't allocate memory") != text.npos;
}

}  // namespace

int guarded(std::string_view tool, const std::function<int()>& body) {
  const std::string name(tool);
  try {
    const int code = body();
    print("");  // what is still buffered, --help for one
    return code;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return static_cast<int>(error.code());
  } catch (const fs::filesystem_error& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return static_cast<int>(ExitCode::io);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      std::fprintf(stderr, "%s: out of memory: %s\nnext: use a smaller batch or model, or another dtype\n",
                   name.c_str(), error.what());
      return static_cast<int>(ExitCode::out_of_memory);
    }
    std::fprintf(stderr, "%s: internal error, please report it: %s\n", name.c_str(), error.what());
    return EXIT_FAILURE;
  }
}

std::string version_text(std::string_view tool) {
  const BuildInfo& build = build_info();
  return str(tool, " ", build.version, " (", build.git_hash, ", ", build.compiler, ", ", build.build_type,
             ", LibTorch ", build.libtorch_version, ")");
}

void use_expandable_segments() {
  if (is_set("PYTORCH_ALLOC_CONF") || is_set("PYTORCH_CUDA_ALLOC_CONF")) return;
  setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True", /*overwrite=*/1);
}

int launch(const char* entry_symbol, const void* request, std::string_view device) {
  if (device != "cpu") use_expandable_segments();
  const fs::path folder = program_folder();
  const fs::path root = find_libtorch(folder.string());
  const fs::path libraries = bt_library_folder(folder);
  open_library(root / "lib" / "libtorch_cpu.so", "run tools/setup again");
  open_cuda(root, device, libraries);
  void* libbt = open_library(libraries / "libbt.so", "build or install again");
  using Entry = int (*)(const void*);
  const auto entry = reinterpret_cast<Entry>(dlsym(libbt, entry_symbol));
  if (entry == nullptr)
    throw Error(ExitCode::bad_file, {.what = str("libbt.so has no entry point ", entry_symbol),
                                     .where = (libraries / "libbt.so").string(),
                                     .next_step = "program and library come from different builds: build again"});
  return entry(request);
}

std::string find_libtorch(const std::string& program_folder) {
  if (const char* chosen = std::getenv("BT_LIBTORCH"); chosen != nullptr && *chosen != '\0') {
    if (!holds_libtorch(chosen))
      fail_usage({.what = "BT_LIBTORCH is not a LibTorch folder",
                  .where = chosen,
                  .expected = "a folder with lib/libtorch_cpu.so",
                  .next_step = "set it to an unpacked libtorch or to the torch folder of a Python's site-packages"});
    check_version(chosen);
    return chosen;
  }
  fs::path root = build_info().libtorch_root;
  if (!holds_libtorch(root)) root.clear();
  for (fs::path folder = program_folder; root.empty(); folder = folder.parent_path()) {
    root = libtorch_of_venv(folder);
    if (folder == folder.parent_path()) break;
  }
  if (root.empty())
    fail_usage({.what = "LibTorch not found",
                .where = build_info().libtorch_root,
                .next_step = str("run tools/setup, or set BT_LIBTORCH to the folder of a LibTorch ",
                                 major_minor(build_info().libtorch_version))});
  check_version(root.string());
  return root.string();
}

std::string libtorch_version(const std::string& root) {
  const fs::path folder = root;
  std::string version =
      quoted_after(folder / "include" / "torch" / "headeronly" / "version.h", "define TORCH_VERSION ", '"');
  if (version.empty()) version = quoted_after(folder / "version.py", "__version__ =", '\'');
  if (version.empty() && is_file(folder / "build-version"))
    version = read_file((folder / "build-version").string(), 256);
  version = std::string(trim(version));
  return version.substr(0, version.find('+'));
}

}  // namespace bt::tools
