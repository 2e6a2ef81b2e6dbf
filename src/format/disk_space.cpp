#include "bt/format/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {

void check_free_space(const std::string& folder, uint64_t bytes) {
  struct statvfs info;
  if (::statvfs(folder.c_str(), &info) != 0) fail_io({.what = "cannot read the free disk space", .where = folder});
  const uint64_t available = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (available >= bytes) return;
  errno = 0;
  fail_io({.what = "not enough disk space",
           .where = folder,
           .expected = str(bytes, " bytes free"),
           .found = str(available, " bytes free"),
           .next_step = "free disk space, keep fewer checkpoints, or write to another disk"});
}

}  // namespace bt
