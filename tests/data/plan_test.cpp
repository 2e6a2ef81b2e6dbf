#include "bt/data/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bt/core/error.h"

namespace bt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int32_t kNewline = 1, kEosId = 0;
const std::vector<int32_t> kEos{kEosId};
const BoundaryTable kTable = BoundaryTable::from_ids(10, std::vector<int32_t>{kNewline});

Example example(std::vector<int32_t> ids, int64_t prompt_length, int64_t source = 0) {
  Example e{.ids = std::move(ids), .prompt_length = prompt_length, .source = source};
  for (size_t i = 0; i < e.ids.size(); ++i) e.supervised.push_back(static_cast<int64_t>(i) >= prompt_length);
  return e;
}

std::vector<std::vector<int64_t>> ranges(const Plan& plan) {
  std::vector<std::vector<int64_t>> out;
  for (const Segment& s : plan.segments)
    out.push_back({s.sequence, s.parent, s.depth, s.prefix_end, s.begin, s.end, s.event});
  return out;
}

std::vector<std::vector<int64_t>> events(const Plan& plan) {
  std::vector<std::vector<int64_t>> out;
  for (const PlanEvent& e : plan.events) out.push_back({e.sequence, e.segment, e.ordinal, e.step_begin, e.rows});
  return out;
}

using Row = std::vector<int64_t>;

TEST(Plan, PacksTwoSequencesAsWrittenByHand) {
  const Plan plan =
      make_plan({example({2, 3, 4, kEosId}, 2, 70), example({5, 6, 1, 7, 1, kEosId}, 1, 71)}, kTable, {}, kEos);
  EXPECT_THAT(plan.ids, ElementsAre(5, 6, 1, 7, 1, 0, 2, 3, 4, 0));
  EXPECT_THAT(plan.positions, ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 3));
  EXPECT_THAT(plan.targets, ElementsAre(6, 1, 7, 1, 0, -1, -1, 4, 0, -1));
  EXPECT_EQ(plan.supervised_tokens, 7);
  ASSERT_EQ(plan.sequences.size(), 2u);
  EXPECT_EQ(plan.sequences[0].source, 71);
  EXPECT_EQ(plan.sequences[0].example, 1);
  EXPECT_EQ(plan.sequences[1].begin, 6);
  EXPECT_EQ(plan.sequences[1].prompt_length, 2);
  EXPECT_THAT(ranges(plan), ElementsAre(Row{0, -1, 0, 0, 0, 1, 0}, Row{1, -1, 0, 0, 6, 8, 1},  // the prompts
                                        Row{0, 0, 1, 1, 1, 3, 2}, Row{1, 1, 1, 2, 8, 10, -1},  // the first steps
                                        Row{0, 2, 2, 3, 3, 5, 3}, Row{0, 4, 3, 5, 5, 6, -1}));
  EXPECT_THAT(events(plan),
              ElementsAre(Row{0, 0, 0, 0, 1}, Row{1, 1, 0, 0, 2}, Row{0, 2, 1, 1, 3}, Row{0, 4, 2, 3, 5}));
  EXPECT_THAT(plan.depth_begin, ElementsAre(0, 2, 4, 5, 6));
  EXPECT_EQ(plan.depths(), 4);
}

TEST(Plan, BeforeTheBoundaryTokenThatTokenOpensTheNextSegment) {
  const TriggerOptions trigger{.before_boundary_token = true};
  const Plan plan = make_plan({example({5, 6, 7, 1, 8}, 2)}, kTable, trigger, kEos);
  EXPECT_THAT(ranges(plan),
              ElementsAre(Row{0, -1, 0, 0, 0, 1, 0}, Row{0, 0, 1, 1, 1, 3, 1}, Row{0, 1, 2, 3, 3, 5, -1}));
  EXPECT_THAT(events(plan), ElementsAre(Row{0, 0, 0, 0, 1}, Row{0, 1, 1, 1, 3}));
}

TEST(Plan, WithoutThePromptsEndTheFirstStepBeginsAtTheResponse) {
  const Plan plan = make_plan({example({5, 6, 7, 1, 8}, 2)}, kTable, {.at_prompt_end = false}, kEos);
  EXPECT_THAT(ranges(plan), ElementsAre(Row{0, -1, 0, 0, 0, 4, 0}, Row{0, 0, 1, 4, 4, 5, -1}));
  EXPECT_THAT(events(plan), ElementsAre(Row{0, 0, 0, 2, 4}));
}

TEST(Plan, NoTriggerGivesOneSegmentPerSequence) {
  const Plan plan =
      make_plan({example({5, 1, 7, 1}, 1), example({5}, 1)}, kTable, {.kind = "none", .at_prompt_end = false}, kEos);
  EXPECT_THAT(ranges(plan), ElementsAre(Row{0, -1, 0, 0, 0, 4, -1}, Row{1, -1, 0, 0, 4, 5, -1}));
  EXPECT_THAT(plan.events, IsEmpty());
}

TEST(Plan, LossMaskIsTakenTokenByTokenAndNeverForTheFirst) {
  Example e = example({2, 3, 4, 5}, 0);
  e.supervised = {1, 0, 1, 0};
  EXPECT_THAT(make_plan({e}, kTable, {}, kEos).targets, ElementsAre(-1, 4, -1, -1));
}

TEST(Plan, EmptyBatchIsAnEmptyPlan) {
  const Plan plan = make_plan({}, kTable, {}, kEos);
  EXPECT_EQ(plan.tokens(), 0);
  EXPECT_EQ(plan.depths(), 0);
}

TEST(Plan, SortsStablyByFallingNumberOfSegments) {
  const Plan plan = make_plan({example({2, 2, 1, 2}, 1, 0), example({2, 2}, 1, 1), example({2, 2, 1, 2, 1, 2}, 1, 2),
                               example({2, 3, 1, 3}, 1, 3), example({2}, 1, 4)},
                              kTable, {}, kEos);
  std::vector<int64_t> sources;
  for (const PlanSequence& s : plan.sequences) sources.push_back(s.source);
  EXPECT_THAT(sources, ElementsAre(2, 0, 3, 1, 4));
}

TEST(Plan, ManySequencesWithEquallyManySegmentsKeepTheirOrder) {
  std::vector<Example> batch;
  for (int64_t i = 0; i < 100; ++i)
    batch.push_back(example(i % 2 == 0 ? std::vector<int32_t>{2, 3} : std::vector<int32_t>{2}, 1, i));
  const Plan plan = make_plan(batch, kTable, {}, kEos);
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(plan.sequences[static_cast<size_t>(i)].source, i < 50 ? 2 * i : 2 * (i - 50) + 1);
  }
}

void expect_refused(Example bad, const std::string& part) {
  try {
    make_plan({example({2, 3}, 1), std::move(bad)}, kTable, {}, kEos);
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr(part), ::testing::HasSubstr("example 1")));
  }
}

TEST(Plan, RefusesBadExamplesAndNamesThem) {
  expect_refused(example({}, 0), "no tokens");
  expect_refused(example({2, 10}, 1), "vocabulary");
  expect_refused(example({2, -1}, 1), "vocabulary");
  expect_refused(example({2, 3}, 3), "prompt");
  expect_refused(example({2, 3}, -1), "prompt");
  Example short_mask = example({2, 3}, 1);
  short_mask.supervised.pop_back();
  expect_refused(short_mask, "mask");
}

void expect_invariants(const Plan& plan) {
  std::vector<int> covered(plan.ids.size(), 0);
  for (size_t i = 0; i < plan.segments.size(); ++i) {
    const Segment& s = plan.segments[i];
    const PlanSequence& owner = plan.sequences[static_cast<size_t>(s.sequence)];
    ASSERT_LT(s.begin, s.end);
    for (int64_t t = s.begin; t < s.end; ++t) ++covered[static_cast<size_t>(t)];
    ASSERT_EQ(s.prefix_end, s.begin - owner.begin);
    if (s.parent < 0) {
      ASSERT_TRUE(s.depth == 0 && s.begin == owner.begin);
    } else {
      const Segment& parent = plan.segments[static_cast<size_t>(s.parent)];
      ASSERT_TRUE(parent.sequence == s.sequence && parent.end == s.begin && parent.depth + 1 == s.depth);
      ASSERT_EQ(plan.events[static_cast<size_t>(parent.event)].segment, s.parent);
      ASSERT_EQ(plan.events[static_cast<size_t>(parent.event)].rows, s.prefix_end);
    }
    ASSERT_EQ(s.event < 0, s.end == owner.end);
  }
  for (const int count : covered) ASSERT_EQ(count, 1);
  for (int64_t d = 0; d < plan.depths(); ++d) {  // the sequences alive at a depth are 0, 1, …
    for (int64_t i = plan.depth_begin[static_cast<size_t>(d)]; i < plan.depth_begin[static_cast<size_t>(d) + 1]; ++i) {
      ASSERT_EQ(plan.segments[static_cast<size_t>(i)].depth, d);
      ASSERT_EQ(plan.segments[static_cast<size_t>(i)].sequence, i - plan.depth_begin[static_cast<size_t>(d)]);
    }
  }
  for (size_t i = 0; i < plan.events.size(); ++i) {
    const PlanEvent& e = plan.events[i];
    ASSERT_TRUE(i == 0 || plan.events[i - 1].segment < e.segment);
    ASSERT_TRUE(0 <= e.step_begin && e.step_begin <= e.rows && e.rows > 0);
    ASSERT_EQ(e.ordinal, plan.segments[static_cast<size_t>(e.segment)].depth);
  }
}

TEST(Plan, InvariantsHoldOnRandomBatches) {
  std::mt19937 random(3);
  const auto below = [&](int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); };
  for (int trial = 0; trial < 3000; ++trial) {
    std::vector<Example> batch;
    for (int i = below(6); i > 0; --i) {
      std::vector<int32_t> ids(static_cast<size_t>(1 + below(19)));
      for (int32_t& id : ids) id = below(4);
      const int prompt = below(static_cast<int>(ids.size()) + 1);
      batch.push_back(example(ids, prompt, i));
    }
    const TriggerOptions trigger{.min_step_tokens = below(3),
                                 .at_prompt_end = below(2) == 0,
                                 .inside_prompt = below(2) == 0,
                                 .max_calls = below(4),
                                 .before_boundary_token = below(2) == 0};
    expect_invariants(make_plan(batch, kTable, trigger, kEos));
    if (HasFatalFailure()) FAIL() << "trial " << trial;
  }
}

}  // namespace
}  // namespace bt
