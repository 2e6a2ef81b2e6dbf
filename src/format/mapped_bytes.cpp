#include "mapped_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bt/core/error.h"

namespace bt {

MappedBytes::MappedBytes(const FileDescriptor& file, uint64_t size) : path_(file.path()), size_(size) {
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.handle(), 0);
  if (address == MAP_FAILED) fail_io({.what = "cannot map file", .where = file.path()});
  bytes_ = static_cast<std::byte*>(address);
  ::madvise(address, size, MADV_SEQUENTIAL);  // advice only: reads ahead from a slow disk
}

MappedBytes::~MappedBytes() { ::munmap(bytes_, size_); }

void MappedBytes::copy(uint64_t begin, std::span<std::byte> out) const {
  if (out.empty()) return;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t first = begin / page * page, length = begin + out.size() - first;
  // One call instead of a fault per page, and an error instead of a SIGBUS. Kernels before 5.14 know no such advice.
  if (::madvise(bytes_ + first, length, MADV_POPULATE_READ) != 0 && errno == EFAULT) {
    errno = 0;
    fail_io({.what = "a part of the file cannot be read any more",
             .where = path_,
             .next_step = "check that it is whole; where its disk is on a network, use --load read"});
  }
  std::memcpy(out.data(), bytes_ + begin, out.size());
  ::madvise(bytes_ + first, length, MADV_DONTNEED);
}

}  // namespace bt
