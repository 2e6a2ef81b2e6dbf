// One process at a time trains in a run's folder.
#pragma once

#include <string>

namespace bt {

// Makes the folder and holds a lock on it while it lives, or as long as the process does; it leaves no file. Where the
// file system has no locks it holds nothing. ExitCode::usage where another process has it, ExitCode::io where the
// folder cannot be made.
class RunLock {
 public:
  explicit RunLock(const std::string& run_folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int folder_;
};

}  // namespace bt
