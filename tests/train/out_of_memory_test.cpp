#include "bt/train/out_of_memory.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <new>

#include "bt/core/error.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const Remedies kRemedies = {{"cache", "fewer slots"}, {"weights", "fewer layers"}};

MemoryClasses some_classes() { return {{"weights", 1 << 20}, {"buffers", 8 << 20}, {"cache", 3 << 20}}; }

void allocate_too_much() { at::empty({int64_t{1} << 50}); }

Error error_of(const std::function<MemoryClasses()>& estimate, const std::function<void()>& run) {
  try {
    within_memory("cpu", kRemedies, estimate, run);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ExitCode::done, {});
}

TEST(OutOfMemory, AFailedAllocationNamesClassesDeviceAndWhatToChange) {
  const Error error = error_of(some_classes, allocate_too_much);
  EXPECT_EQ(error.code(), ExitCode::out_of_memory);
  EXPECT_EQ(error.problem().where, "cpu, " + bytes_text(device_memory_bytes(at::kCPU)));
  EXPECT_EQ(error.problem().expected, "room for 12.0 MiB (weights 1.0 MiB, buffers 8.0 MiB, cache 3.0 MiB), estimated");
  EXPECT_THAT(error.problem().found, AllOf(HasSubstr("can't allocate memory"), Not(HasSubstr("\n"))));
  EXPECT_EQ(error.problem().next_step, "for less cache: fewer slots");  // the largest that something can be done about
}

TEST(OutOfMemory, TheLibrarysOwnFailureCountsToo) {
  EXPECT_EQ(error_of(some_classes, [] { throw std::bad_alloc(); }).code(), ExitCode::out_of_memory);
  EXPECT_EQ(error_of(some_classes, [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory."); }).code(),
            ExitCode::out_of_memory);
}

TEST(OutOfMemory, WhatTheRunHeldIsLetGoBeforeTheEstimate) {
  const auto held = std::make_shared<int>(0);
  const auto estimate = [&] {
    EXPECT_EQ(held.use_count(), 1);
    return some_classes();
  };
  error_of(estimate, [&] {
    const std::shared_ptr<int> copy = held;
    allocate_too_much();
  });
}

TEST(OutOfMemory, AnEstimateThatFailsLeavesTheRest) {
  const Error error = error_of([]() -> MemoryClasses { throw std::bad_alloc(); }, allocate_too_much);
  EXPECT_EQ(error.code(), ExitCode::out_of_memory);
  EXPECT_EQ(error.problem().expected, "");
  EXPECT_NE(error.problem().next_step, "");
}

TEST(OutOfMemory, OtherErrorsPass) {
  EXPECT_EQ(error_of(some_classes, [] { fail_usage({.what = "bad"}); }).code(), ExitCode::usage);
  EXPECT_THROW(within_memory("cpu", kRemedies, some_classes, [] { throw std::logic_error("a bug"); }),
               std::logic_error);
  EXPECT_THROW(within_memory("cpu", kRemedies, some_classes, [] { TORCH_CHECK(false, "shapes"); }), c10::Error);
}

TEST(OutOfMemory, TheInnerErrorIsTheOneSeen) {
  const auto inner = [] { within_memory("cpu", {{"cache", "inside"}}, some_classes, allocate_too_much); };
  EXPECT_EQ(error_of(some_classes, inner).problem().next_step, "for less cache: inside");
}

// What --dry-run and an error of bt-train say.
TEST_F(TrainerTest, MemoryIsEstimatedOfEveryMethod) {
  for (const char* method : {"sft", "bt", "recent_only", "append_rows", "lora", "pause", "rollout", "dca", "steer",
                             "evict", "gist", "mean_shift", "constant_rewrite", "bt_with_backbone", "bt_entropy"}) {
    const std::string config = config_of(method);
    const MemoryClasses classes = training_memory(outline_setup(read(config)));
    ASSERT_EQ(classes.size(), 7u) << method;
    for (const auto& [name, bytes] : classes) EXPECT_GE(bytes, 0) << method << ": " << name;
    EXPECT_GT(classes[3].second, 0) << method;
  }
}

}  // namespace
}  // namespace bt
