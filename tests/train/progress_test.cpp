#include "bt/train/progress.h"

#include <gtest/gtest.h>

#include "bt/train/memory.h"

namespace bt {
namespace {

TEST(Progress, LineHoldsStepLossRateSpeedMemoryAndTimeLeft) {
  EXPECT_EQ(progress_text({.step = 120,
                           .total_steps = 3000,
                           .loss = 1.23456,
                           .lr = 1e-3,
                           .tokens_per_s = 5210,
                           .memory_bytes = int64_t{3} << 29,
                           .seconds_left = 200}),
            "120/3000  loss 1.2346  lr 1.0e-03  5.2k tok/s  1.5 GiB  ETA 3:20");
}

TEST(Progress, DurationsAreReadable) {
  EXPECT_EQ(duration_text(44.6), "45 s");
  EXPECT_EQ(duration_text(60), "1:00");
  EXPECT_EQ(duration_text(3727), "1:02:07");
  EXPECT_EQ(duration_text(-1), "0 s");
}

TEST(Memory, BytesAreReadable) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
}

TEST(Memory, PeakOfTheProcessIsMeasured) { EXPECT_GT(peak_memory_bytes(at::kCPU), int64_t{1} << 20); }

TEST(Memory, EstimateCountsOptimiserStatePerTrainedParameter) {
  const MemoryClasses classes = estimate_memory({.backbone_parameters = 100,
                                                 .method_parameters = 10,
                                                 .trained_parameters = 10,
                                                 .element_bytes = 4,
                                                 .pass = {.activations = 2000, .cache = 48}});
  ASSERT_EQ(classes.size(), 7u);
  EXPECT_EQ(classes[0], (std::pair<std::string, int64_t>{"weights", 440}));
  EXPECT_EQ(classes[2], (std::pair<std::string, int64_t>{"optimiser", 80}));
  EXPECT_EQ(memory_text(classes),
            "2.5 KiB (weights 440 B, gradients 40 B, optimiser 80 B, activations 2.0 KiB, cache 48 B)");
  const MemoryClasses narrow = estimate_memory(
      {.backbone_parameters = 100, .method_parameters = 10, .trained_parameters = 10, .element_bytes = 2});
  EXPECT_EQ(narrow[0].second, 2 * 110 + 4 * 10) << "masters of what is trained";
  EXPECT_EQ(narrow[1].second, 40);
  EXPECT_EQ(narrow[2].second, 80);
}

}  // namespace
}  // namespace bt
