#include "bt/data/splice.h"

#include <gtest/gtest.h>

#include "support/tiny_plan.h"

namespace bt {
namespace {

using testing::kNewline;

Plan plan_of(bool before) {
  TriggerOptions trigger;
  trigger.before_boundary_token = before;
  Example example;
  example.ids = {9, 10, 11, kNewline, 12};
  example.prompt_length = 2;
  example.supervised = {0, 0, 1, 1, 1};
  return make_plan({example}, testing::tiny_table(), trigger, {});
}

TEST(Splice, PutsLatentsBehindEveryBoundaryTokenAndMovesItsPrediction) {
  const Plan plan = with_latents(plan_of(false), {.count = 2});
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, 10, -1, -2, 11, kNewline, -1, -2, 12}));
  EXPECT_EQ(plan.positions, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(plan.targets, (std::vector<int32_t>{-1, -1, -1, 11, kNewline, -1, -1, 12, -1}));
  EXPECT_EQ(plan.depths(), 1);
  EXPECT_TRUE(plan.events.empty());
}

TEST(Splice, BeforeTheBoundaryTokenTheNextTokenIsAlreadyChosen) {
  const Plan plan = with_latents(plan_of(true), {.count = 1, .before_boundary_token = true});
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, -1, 10, 11, -1, kNewline, 12}));
  EXPECT_EQ(plan.targets, (std::vector<int32_t>{-1, -1, 11, kNewline, -1, 12, -1}));
}

TEST(Splice, SegmentsBeginWithTheLatentsOfTheEventBeforeThem) {
  const Plan plan =
      with_latents(plan_of(false), {.count = 2, .shifts_positions = false, .segments = LatentSplice::Segments::kept});
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, 10, -1, -2, 11, kNewline, -1, -2, 12}));
  EXPECT_EQ(plan.positions, (std::vector<int32_t>{0, 1, 2, 3, 2, 3, 4, 5, 4}));
  ASSERT_EQ(plan.segments.size(), 3u);
  std::vector<int64_t> begins, prefixes, rows, steps;
  for (const Segment& segment : plan.segments) {
    begins.push_back(segment.begin);
    prefixes.push_back(segment.prefix_end);
  }
  for (const PlanEvent& event : plan.events) {
    rows.push_back(event.rows);
    steps.push_back(event.step_begin);
  }
  EXPECT_EQ(begins, (std::vector<int64_t>{0, 2, 6}));
  EXPECT_EQ(prefixes, begins);
  EXPECT_EQ(rows, (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 4}));
}

TEST(Splice, LatentsMayBeSegmentsOfTheirOwn) {
  const Plan plan = with_latents(plan_of(false), {.count = 2, .segments = LatentSplice::Segments::one_by_one});
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, 10, -1, -2, 11, kNewline, -1, -2, 12}));
  std::vector<std::vector<int64_t>> spans;
  for (const Segment& segment : plan.segments)
    spans.push_back({segment.depth, segment.parent, segment.prefix_end, segment.begin, segment.end, segment.event});
  EXPECT_EQ(spans, (std::vector<std::vector<int64_t>>{{0, -1, 0, 0, 2, 0},
                                                      {1, 0, 2, 2, 3, -1},
                                                      {2, 1, 3, 3, 4, -1},
                                                      {3, 2, 4, 4, 6, 1},
                                                      {4, 3, 6, 6, 7, -1},
                                                      {5, 4, 7, 7, 8, -1},
                                                      {6, 5, 8, 8, 9, -1}}));
  EXPECT_EQ(plan.depth_begin, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(plan.events[1].segment, 3);
}

}  // namespace
}  // namespace bt
