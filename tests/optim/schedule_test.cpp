#include "bt/optim/schedule.h"

#include <gtest/gtest.h>

namespace bt {
namespace {

TEST(Schedule, WarmsUpLinearlyToThePeak) {
  const Schedule schedule{.peak = 8, .warmup_steps = 4, .total_steps = 20};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 2);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 1), 4);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 3), 8);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 4), 8);
}

TEST(Schedule, CosineEndsAtTheFinalRatioAndStaysThere) {
  const Schedule schedule{.peak = 2, .warmup_steps = 3, .total_steps = 14, .final_ratio = 0.25};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 8), 1.25);  // half way between 2 and 0.5
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 13), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 99), 0.5);
  for (int64_t step = 3; step < 13; ++step) EXPECT_GT(learning_rate(schedule, step), learning_rate(schedule, step + 1));
}

TEST(Schedule, ConstantKeepsThePeak) {
  const Schedule schedule{.kind = Schedule::Kind::constant, .peak = 0.3, .warmup_steps = 2, .total_steps = 5};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 0.15);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 4), 0.3);
}

TEST(Schedule, ARunOfOneStepUsesThePeak) { EXPECT_DOUBLE_EQ(learning_rate({.peak = 1, .total_steps = 1}, 0), 1); }

TEST(Schedule, AWarmUpLongerThanTheRunNeverReachesThePeak) {
  EXPECT_DOUBLE_EQ(learning_rate({.peak = 1, .warmup_steps = 10, .total_steps = 4}, 3), 0.4);
}

}  // namespace
}  // namespace bt
