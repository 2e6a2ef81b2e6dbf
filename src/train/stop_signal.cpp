#include "bt/train/stop_signal.h"

#include <unistd.h>

namespace bt {
namespace {

volatile std::sig_atomic_t g_requested = 0;  // the signal's number

extern "C" void request_stop(int number) {
  if (g_requested != 0) _exit(128 + number);
  g_requested = number;
}

}  // namespace

StopSignal::StopSignal() {
  g_requested = 0;
  struct sigaction action {};
  action.sa_handler = &request_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &interrupt_before_);
  sigaction(SIGTERM, &action, &terminate_before_);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &interrupt_before_, nullptr);
  sigaction(SIGTERM, &terminate_before_, nullptr);
}

int StopSignal::number() const { return g_requested; }

}  // namespace bt
