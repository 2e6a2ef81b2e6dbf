// An owned POSIX file descriptor whose calls either do all of their work or throw.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bt {

class FileDescriptor {
 public:
  // An existing regular file. ExitCode::bad_file when it is missing or not a regular file, else ExitCode::io.
  static FileDescriptor open_for_reading(const std::string& path);
  // A file opened for writing from its start, emptied when it exists. ExitCode::io.
  static FileDescriptor create(const std::string& path);

  FileDescriptor(int handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor();

  int handle() const { return handle_; }
  const std::string& path() const { return path_; }
  uint64_t size() const;
  // Fills `out` from `offset`; ExitCode::bad_file when the file ends before.
  void read_at(uint64_t offset, std::span<char> out) const;
  void write(std::string_view bytes) const;
  void sync() const;
  // Closes and reports a failure, which the destructor cannot.
  void close();

 private:
  int handle_;
  std::string path_;
};

}  // namespace bt
