#include "bt/core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

[[noreturn]] void fail_too_long(const std::string& path, uint64_t max_bytes) {
  fail_bad_file({.what = "the file is too large", .where = path, .expected = str("at most ", max_bytes, " bytes")});
}

int open_to_read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) return fd;
  if (errno == ENOENT || errno == ENOTDIR) fail_bad_file({.what = "the file does not exist", .where = path});
  fail_io({.what = "cannot open the file", .where = path});
}

// Names a file beside `path`; with O_EXCL no other writer's file and no leftover of a killed process is touched.
std::pair<std::string, int> open_temporary(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  for (int attempt = 0;; ++attempt) {
    std::string name = str(path, ".tmp-", ::getpid(), "-", counter.fetch_add(1));
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return {std::move(name), fd};
    if (errno != EEXIST || attempt == 100) {
      fail_io({.what = "cannot create a temporary file",
               .where = name,
               .next_step = "check that the folder exists and is writable"});
    }
  }
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io({.what = "cannot write the file", .where = path});
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void write_and_sync(int fd, std::string_view bytes, const std::string& path) {
  FileDescriptor file(fd);
  write_all(file.get(), bytes, path);
  if (::fsync(file.get()) != 0) fail_io({.what = "cannot sync the file", .where = path});
  if (::close(file.release()) != 0) fail_io({.what = "cannot close the file", .where = path});
}

void open_and_sync(const std::string& path, int flags, const char* what) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (file.get() < 0 || ::fsync(file.get()) != 0) fail_io({.what = what, .where = path});
}

[[noreturn]] void fail_no_plain_file(const std::string& path, bool is_folder) {
  errno = 0;  // nothing has failed yet
  fail_io({.what = "cannot write the file",
           .where = path,
           .expected = "a plain file, or none",
           .found = is_folder ? "a folder" : "neither file nor folder"});
}

// The folder that `path` is to be written into.
void need_writable(const std::string& folder, const std::string& path) {
  if (::access((folder + "/.").c_str(), W_OK | X_OK) == 0) return;
  fail_io({.what = "cannot write into " + folder,
           .where = path,
           .next_step = "check that the folder exists and is writable"});
}

}  // namespace

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const FileDescriptor file(open_to_read(path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_io({.what = "cannot examine the file", .where = path});
  if (S_ISDIR(status.st_mode)) fail_bad_file({.what = "this is a folder", .where = path, .expected = "a file"});
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) fail_too_long(path, max_bytes);

  // Reads on past the reported size: pipes report none, and another process may be appending.
  std::string bytes;
  size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max<size_t>(used * 2, size + 1));
    const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io({.what = "cannot read the file", .where = path});
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (used > max_bytes) fail_too_long(path, max_bytes);
  }
  bytes.resize(used);
  return bytes;
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  const auto [temporary, fd] = open_temporary(path);
  try {
    write_and_sync(fd, bytes, temporary);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
      fail_io({.what = "cannot rename the finished file", .where = path});
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const std::string folder = fs::path(path).parent_path().string();
  sync_folder(folder.empty() ? "." : folder);
}

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return;
  errno = error.value();
  fail_io({.what = "cannot make the folder", .where = path});
}

void check_writable_file(const std::string& path) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) fail_no_plain_file(path, S_ISDIR(status.st_mode));
  if (!exists && errno != ENOENT) fail_io({.what = "cannot write the file", .where = path});
  const std::string folder = fs::path(path).parent_path().string();
  need_writable(folder.empty() ? "." : folder, path);
}

void check_writable_folder(const std::string& path) {
  fs::path nearest = fs::absolute(path);  // that exists
  struct stat status {};
  while (::stat(nearest.c_str(), &status) != 0 && errno == ENOENT) nearest = nearest.parent_path();
  need_writable(nearest.string(), path);
}

void print(std::string_view text) {
  errno = 0;
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_io({.what = "cannot write to standard output"});
}

void sync_file(const std::string& path) { open_and_sync(path, 0, "cannot sync the file"); }
void sync_folder(const std::string& path) { open_and_sync(path, O_DIRECTORY, "cannot sync the folder"); }

}  // namespace bt
