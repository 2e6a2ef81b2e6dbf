#include "bt/train/stop_signal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bt {
namespace {

TEST(StopSignal, TheFirstSignalIsARequest) {
  for (const int number : {SIGINT, SIGTERM}) {
    const StopSignal stop;
    EXPECT_FALSE(stop.requested());
    raise(number);
    EXPECT_TRUE(stop.requested());
  }
}

TEST(StopSignal, TheSecondEndsTheProcessWithItsNumber) {
  const pid_t child = fork();
  if (child == 0) {
    const StopSignal stop;
    raise(SIGINT);
    raise(SIGTERM);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST(StopSignal, RestoresTheHandlersItFound) {
  struct sigaction before {
  }, after{};
  sigaction(SIGINT, nullptr, &before);
  { const StopSignal stop; }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace bt
