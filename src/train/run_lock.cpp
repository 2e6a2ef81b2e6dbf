#include "bt/train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {

RunLock::RunLock(const std::string& run_folder) {
  make_folders(run_folder);
  folder_ = ::open(run_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) fail_io({.what = "cannot open the folder of the run", .where = run_folder});
  if (::flock(folder_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(folder_);
  fail_usage({.what = "another process trains in this folder",
              .where = run_folder,
              .next_step = "wait for it, or choose another run.out"});
}

RunLock::~RunLock() { ::close(folder_); }

}  // namespace bt
