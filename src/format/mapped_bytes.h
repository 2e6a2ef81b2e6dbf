// The bytes of a file, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "file_descriptor.h"

namespace bt {

class MappedBytes {
 public:
  // The first `size` bytes of the file, which must be there: a page past its end is a SIGBUS. ExitCode::io.
  MappedBytes(const FileDescriptor& file, uint64_t size);
  ~MappedBytes();
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;

  // Copies from `begin` on, then gives the pages back: mapped pages count as the process's memory once touched. Any
  // number of threads at once. ExitCode::io where pages have been lost since (a cut file, a network that is gone).
  void copy(uint64_t begin, std::span<std::byte> out) const;

 private:
  std::string path_;
  std::byte* bytes_;
  uint64_t size_;
};

}  // namespace bt
