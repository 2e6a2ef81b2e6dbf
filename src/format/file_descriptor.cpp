#include "file_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {

FileDescriptor FileDescriptor::open_for_reading(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer; regular files ignore it.
  const int handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (handle < 0) {
    if (errno == ENOENT || errno == ENOTDIR) fail_bad_file({.what = "file not found", .where = path});
    fail_io({.what = "cannot open file", .where = path});
  }
  FileDescriptor file(handle, path);
  struct stat info;
  if (::fstat(handle, &info) != 0) fail_io({.what = "cannot read file size", .where = path});
  if (!S_ISREG(info.st_mode)) fail_bad_file({.what = "not a regular file", .where = path});
  return file;
}

FileDescriptor FileDescriptor::create(const std::string& path) {
  const int handle = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (handle < 0) fail_io({.what = "cannot create file", .where = path});
  return FileDescriptor(handle, path);
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : handle_(std::exchange(other.handle_, -1)), path_(std::move(other.path_)) {}

FileDescriptor::~FileDescriptor() {
  if (handle_ >= 0) ::close(handle_);
}

uint64_t FileDescriptor::size() const {
  struct stat info;
  if (::fstat(handle_, &info) != 0) fail_io({.what = "cannot read file size", .where = path_});
  return static_cast<uint64_t>(info.st_size);
}

void FileDescriptor::read_at(uint64_t offset, std::span<char> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(handle_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_io({.what = "cannot read file", .where = path_});
    if (count == 0) {
      fail_bad_file({.what = "file truncated",
                     .where = path_,
                     .expected = str("at least ", offset + out.size(), " bytes"),
                     .found = str(offset + done, " bytes")});
    }
    done += static_cast<size_t>(count);
  }
}

void FileDescriptor::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::write(handle_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_io({.what = "cannot write file", .where = path_, .next_step = "free disk space and try again"});
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void FileDescriptor::sync() const {
  if (::fsync(handle_) != 0) fail_io({.what = "cannot sync file", .where = path_});
}

void FileDescriptor::close() {
  if (::close(std::exchange(handle_, -1)) != 0) fail_io({.what = "cannot close file", .where = path_});
}

}  // namespace bt
