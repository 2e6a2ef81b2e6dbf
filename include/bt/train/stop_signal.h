// SIGINT and SIGTERM ask for an orderly stop: the run saves after the step it is in and ends with code 0. A second one
// ends the process at once with 128 + its number.
#pragma once

#include <csignal>

namespace bt {

// Catches both signals while it lives; one at a time. Restores the earlier handlers.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;

 private:
  struct sigaction interrupt_before_ {};
  struct sigaction terminate_before_ {};
};

}  // namespace bt
