// SIGINT and SIGTERM ask for an orderly stop: training saves after the step it is in, generation writes what there is.
// A second one ends the process at once with 128 + its number.
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

  bool requested() const { return number() != 0; }
  int number() const;  // of the signal; 0 before one has come

 private:
  struct sigaction interrupt_before_ {};
  struct sigaction terminate_before_ {};
};

}  // namespace bt
