#include "bt/data/branches.h"

#include <gtest/gtest.h>

#include <set>

#include "support/tiny_plan.h"

namespace bt {
namespace {

Example text(int64_t length, int64_t prompt, int64_t source = 0) {
  Example example;
  example.source = source;
  example.prompt_length = prompt;
  for (int64_t i = 0; i < length; ++i) {
    example.ids.push_back(static_cast<int32_t>(9 + i % 10));
    example.supervised.push_back(i >= prompt && i > 0 ? 1 : 0);
  }
  return example;
}

Plan branched(const std::vector<Example>& batch, const BranchOptions& options, const BranchDraw& draw = {1, 2}) {
  TriggerOptions never;
  never.kind = "none";
  never.at_prompt_end = false;
  return with_branches(make_plan(batch, testing::tiny_table(), never, {}), options, draw);
}

std::vector<int64_t> joins(const Plan& plan) {
  std::vector<int64_t> out;
  for (const PlanBranch& branch : plan.branches) out.push_back(branch.join_end);
  return out;
}

TEST(Branches, LeaveOnceAtEveryPlaceWhoseNextTokenIsSupervised) {
  const Plan plan = branched({text(6, 3)}, {.shape = {.latents = 2, .ahead = 2}, .places = 100});
  EXPECT_EQ(joins(plan), (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(plan.supervised_tokens, 2 + 2 + 1);
  EXPECT_FALSE(predicts(plan, plan.branches.back(), 1)) << "behind the end";
}

TEST(Branches, AreNoLongerThanTheLongestRestOfAText) {
  const BranchOptions options{.shape = {.latents = 2, .ahead = 1000}, .places = 100};
  const Plan plan = branched({text(6, 3), text(9, 5)}, options);
  EXPECT_EQ(plan.branch_shape.ahead, 4);
  EXPECT_EQ(plan.supervised_tokens, (3 + 2 + 1) + (4 + 3 + 2 + 1));
  EXPECT_EQ(branched({text(1, 1)}, options).branch_shape.ahead, 1) << "nowhere to leave";
}

TEST(Branches, TextsWithoutAPromptAreLeftFromTheirFirstTokenOn) {
  const Plan plan = branched({text(4, 0)}, {.shape = {.latents = 1, .ahead = 1}, .places = 100});
  EXPECT_EQ(joins(plan), (std::vector<int64_t>{1, 2, 3}));
}

TEST(Branches, SkipUnsupervisedTokensInTheirLoss) {
  Example example = text(6, 0);
  example.supervised = {0, 1, 0, 0, 1, 1};
  const Plan plan = branched({example}, {.shape = {.latents = 1, .ahead = 3}, .places = 100});
  EXPECT_EQ(joins(plan), (std::vector<int64_t>{1, 4, 5}));
  EXPECT_EQ(plan.supervised_tokens, 1 + 2 + 1);
}

TEST(Branches, AreDrawnAnewForEveryTextAndStepAndAlikeWhenDrawnAgain) {
  const BranchOptions options{.shape = {.latents = 1, .ahead = 1}, .places = 5, .max_lag = 9};
  const auto lags = [&](int64_t source, uint64_t draw) {
    std::vector<int64_t> out;
    for (const PlanBranch& branch : branched({text(200, 0, source)}, options, {1, draw}).branches) {
      out.push_back(branch.join_end);
      out.push_back(branch.join_end - branch.read_end);
    }
    return out;
  };
  EXPECT_EQ(lags(4, 7), lags(4, 7));
  EXPECT_NE(lags(4, 7), lags(5, 7));
  EXPECT_NE(lags(4, 7), lags(4, 8));
}

TEST(Branches, OfATextDoNotDependOnItsBatch) {
  const BranchOptions options{.shape = {.latents = 1, .ahead = 1}, .places = 3};
  const Plan alone = branched({text(50, 0, 4)}, options), together = branched({text(9, 0, 1), text(50, 0, 4)}, options);
  const std::vector<int64_t> all = joins(together);
  EXPECT_EQ(joins(alone), (std::vector<int64_t>{all.begin() + 3, all.end()}));
}

TEST(Branches, LagsFillTheirRangeAndEndAtTheFirstToken) {
  const BranchOptions options{.shape = {.latents = 1, .ahead = 1}, .places = 1000, .min_lag = 2, .max_lag = 4};
  std::set<int64_t> seen;
  for (const PlanBranch& branch : branched({text(300, 0)}, options).branches) {
    EXPECT_GE(branch.read_end, 1);
    if (branch.join_end > 5) seen.insert(branch.join_end - branch.read_end);
  }
  EXPECT_EQ(seen, (std::set<int64_t>{2, 3, 4}));
}

}  // namespace
}  // namespace bt
