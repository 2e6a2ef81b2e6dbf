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
  const Plan plan = with_latents(plan_of(false), 2, false);
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, 10, -1, -2, 11, kNewline, -1, -2, 12}));
  EXPECT_EQ(plan.positions, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(plan.targets, (std::vector<int32_t>{-1, -1, -1, 11, kNewline, -1, -1, 12, -1}));
  EXPECT_EQ(plan.depths(), 1);
  EXPECT_TRUE(plan.events.empty());
}

TEST(Splice, BeforeTheBoundaryTokenTheNextTokenIsAlreadyChosen) {
  const Plan plan = with_latents(plan_of(true), 1, true);
  EXPECT_EQ(plan.ids, (std::vector<int32_t>{9, -1, 10, 11, -1, kNewline, 12}));
  EXPECT_EQ(plan.targets, (std::vector<int32_t>{-1, -1, 11, kNewline, -1, 12, -1}));
}

}  // namespace
}  // namespace bt
