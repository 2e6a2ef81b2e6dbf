// What a rewriting method computes from a batch of events, without an engine.
#include <cmath>

#include "latent/latent_test_support.h"

namespace bt {
namespace {

using testing::edit_of;
using testing::greatest;
using testing::layer_of;
using testing::some_events;
using testing::tiny_method;

class RewriteMethod : public ::testing::TestWithParam<std::string> {};

TEST_P(RewriteMethod, AllLayersAtOnceEqualLayerByLayer) {
  const auto method = tiny_method(GetParam());
  if (method->parameters() != nullptr) testing::perturb(*method);
  const Events events = some_events(3);
  const Edit stacked = edit_of(*method, events);
  const at::Tensor change = stacked.gate * stacked.delta_YEWC;
  for (int64_t layer = 0; layer < 3; ++layer) {
    const auto leaves =
        method->parameters() != nullptr ? method->parameters()->layer_leaves(layer) : std::vector<at::Tensor>();
    const Edit one = method->effects().rewrite->edit(layer_of(events, layer), leaves);
    EXPECT_LE(greatest(change.narrow(0, layer, 1) - one.gate * one.delta_YEWC), 1e-12) << "layer " << layer;
  }
}

TEST_P(RewriteMethod, PaddedSlotsHaveNoChange) {
  const auto method = tiny_method(GetParam());
  const Events events = some_events(3);
  const at::Tensor delta = edit_of(*method, events).delta_YEWC;
  EXPECT_EQ(greatest(delta.masked_select((events.kind_YEW == 0).unsqueeze(-1))), 0);
  EXPECT_GT(greatest(delta), 0);
}

TEST_P(RewriteMethod, AnEventDoesNotDependOnItsNeighbours) {
  const auto method = tiny_method(GetParam());
  const Events both = some_events(3);
  Events second = both;
  second.u_YEWC = both.u_YEWC.narrow(1, 1, 1);
  second.position_YEW = both.position_YEW.narrow(1, 1, 1);
  second.kind_YEW = both.kind_YEW.narrow(1, 1, 1);
  second.mass_YEW = both.mass_YEW.narrow(1, 1, 1);
  second.source_E = both.source_E.narrow(0, 1, 1);
  second.ordinal_E = both.ordinal_E.narrow(0, 1, 1);
  EXPECT_LE(greatest(edit_of(*method, both).delta_YEWC.narrow(1, 1, 1) - edit_of(*method, second).delta_YEWC), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Methods, RewriteMethod,
                         ::testing::Values("bt", "recent_only", "constant_rewrite", "mean_shift", "gist"),
                         [](const ::testing::TestParamInfo<std::string>& one) { return one.param; });

// As the decoder does; the processor's attention sees distances alone.
TEST(CacheProcessor, ActsPastTheModelsLongestText) {
  const auto method = tiny_method("bt");
  const Events near = some_events(3);
  Events far = near;
  far.position_YEW = near.position_YEW + 4 * testing::tiny_config(3).max_position;
  EXPECT_LE(greatest(edit_of(*method, far).delta_YEWC - edit_of(*method, near).delta_YEWC), 1e-9);
}

// Entries whose keys are 0.5 times and values 4 times as large, measured by calibration, change by as much more.
TEST(CacheProcessor, CalibrationTakesTheScaleOfEntriesOut) {
  const auto plain = tiny_method("bt"), scaled = tiny_method("bt");
  ASSERT_TRUE(plain->wants_calibration());
  const at::Tensor ratio = at::cat({at::full({16}, 0.5, at::kDouble), at::full({16}, 4.0, at::kDouble)});
  for (int64_t layer = 0; layer < 3; ++layer) {
    const at::Tensor keys = testing::random_normal({9, 2, 8}, "keys"),
                     values = testing::random_normal({9, 2, 8}, "values");
    plain->calibrate(layer, keys, values);
    scaled->calibrate(layer, keys * 0.5, values * 4.0);
  }
  const Events events = some_events(3);
  Events larger = events;
  larger.u_YEWC = events.u_YEWC * ratio;
  EXPECT_LE(greatest(edit_of(*scaled, larger).delta_YEWC - edit_of(*plain, events).delta_YEWC * ratio), 1e-12);
}

TEST(CacheProcessor, CalibrationIsTheRootMeanSquareAndIsSaved) {
  const auto method = tiny_method("bt");
  method->calibrate(1, at::full({5, 2, 8}, -3.0, at::kDouble), at::full({5, 2, 8}, 0.25, at::kDouble));
  const auto buffers = method->buffers();
  ASSERT_EQ(buffers.size(), 1u);
  EXPECT_TRUE(buffers[0].second.equal(at::tensor({1.0, 1.0, 3.0, 0.25, 1.0, 1.0}, at::kDouble).view({3, 2})));
}

TEST(CacheProcessor, MayChangeValuesOrKeysAlone) {
  const Events events = some_events(3);
  for (const bool values : {true, false}) {
    const auto method = tiny_method("bt", values ? "rewrites: values\n" : "rewrites: keys\n");
    const auto halves = edit_of(*method, events).delta_YEWC.chunk(2, -1);
    EXPECT_EQ(greatest(halves[values ? 0 : 1]), 0);
    EXPECT_GT(greatest(halves[values ? 1 : 0]), 0);
    EXPECT_EQ(method->parameters()->leaf("w_out").size(1), 16) << "one half of an entry";
  }
}

TEST(CacheProcessor, HeadsHaveAGateForKeysAndOneForValues) {
  const auto method = tiny_method("bt", "gates: head\n");
  const at::Tensor gate = method->parameters()->leaf("gate", 1).detach();
  ASSERT_EQ(gate.numel(), 4);
  gate.copy_(at::tensor({-2.0, 0.0, 1.0, 3.0}, at::kDouble).view_as(gate));
  const at::Tensor gate_C = edit_of(*method, some_events(3)).gate[1].flatten();
  ASSERT_EQ(gate_C.numel(), 32);  // keys of two heads of 8, then values
  for (int64_t c = 0; c < 32; ++c) {
    const double logit = std::vector<double>{-2, 0, 1, 3}[static_cast<size_t>(c / 8)];
    EXPECT_NEAR(gate_C[c].item<double>(), 1 / (1 + std::exp(-logit)), 1e-12) << c;
  }
}

at::Tensor delta_at(const Method& method, int64_t shift) {
  Events events = some_events(3);
  events.position_YEW = (events.position_YEW * shift) % 97;
  return edit_of(method, events).delta_YEWC;
}

TEST(CacheProcessor, PresetsDifferInPositionsAndCalibration) {
  const auto bt = tiny_method("bt"), paper = tiny_method("bt", "preset: paper\n");
  EXPECT_GT(greatest(delta_at(*bt, 1) - delta_at(*bt, 3)), 1e-6);
  EXPECT_EQ(greatest(delta_at(*paper, 1) - delta_at(*paper, 3)), 0);
  EXPECT_TRUE(bt->wants_calibration());
  EXPECT_FALSE(paper->wants_calibration());
}

// Relative positions only: a common shift of all entries changes nothing.
TEST(CacheProcessor, SeesDistancesNotPositions) {
  const auto method = tiny_method("bt");
  Events events = some_events(3), later = some_events(3);
  later.position_YEW = events.position_YEW + 40;
  EXPECT_LE(greatest(edit_of(*method, events).delta_YEWC - edit_of(*method, later).delta_YEWC), 1e-10);
}

at::Tensor delta_of_kind(const Method& method, RowKind kind) {
  Events events = some_events(3);
  events.kind_YEW = events.kind_YEW.masked_fill(events.kind_YEW != 0, static_cast<int64_t>(kind));
  return edit_of(method, events).delta_YEWC;
}

TEST(CacheProcessor, TheGateIsTheSigmoidOfOneNumberPerLayer) {
  const auto method = tiny_method("bt");
  for (int64_t layer = 0; layer < 3; ++layer)
    method->parameters()->leaf("gate", layer).detach().fill_(0.7 * static_cast<double>(layer));
  const at::Tensor gate = edit_of(*method, some_events(3)).gate;
  ASSERT_EQ(gate.numel(), 3);
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_NEAR(gate.flatten()[layer].item<double>(), 1 / (1 + std::exp(-0.7 * static_cast<double>(layer))), 1e-12);
  }
}

TEST(CacheProcessor, KindEmbeddingStartsWithoutEffectAndThenTellsKindsApart) {
  const auto method = tiny_method("bt");
  EXPECT_TRUE(delta_of_kind(*method, RowKind::recent).equal(delta_of_kind(*method, RowKind::recalled)));
  method->parameters()->leaf("kind", 1).detach().normal_();
  const at::Tensor change = delta_of_kind(*method, RowKind::recent) - delta_of_kind(*method, RowKind::recalled);
  EXPECT_EQ(greatest(change[0]), 0);
  EXPECT_GT(greatest(change[1]), 1e-6);
}

TEST(CacheProcessor, CausalEntriesDoNotSeeLaterPositions) {
  Events events = some_events(3);
  events.position_YEW = at::arange(7).expand({3, 3, 7}).contiguous();
  Events changed = events;
  changed.u_YEWC = events.u_YEWC.clone();
  changed.u_YEWC.select(2, 6).add_(1);  // the last entry of the full event
  const auto first_six = [&](const Method& method) {
    return greatest((edit_of(method, events).delta_YEWC - edit_of(method, changed).delta_YEWC).narrow(2, 0, 6));
  };
  EXPECT_EQ(first_six(*tiny_method("bt", "causal: true\n")), 0);
  EXPECT_GT(first_six(*tiny_method("bt")), 1e-6);
}

TEST(ConstantRewrite, ReadsNothing) {
  const auto method = tiny_method("constant_rewrite");
  Events events = some_events(3), other = some_events(3);
  other.u_YEWC = events.u_YEWC * 3 + 1;
  EXPECT_TRUE(edit_of(*method, events).delta_YEWC.equal(edit_of(*method, other).delta_YEWC));
}

TEST(ConstantRewrite, CountsRecentSlotsFromTheNewest) {
  const auto method = tiny_method("constant_rewrite");
  const Events events = some_events(3);
  const at::Tensor table = method->parameters()->stacked()[0],
                   delta = edit_of(*method, events).delta_YEWC;  // 4 recent, then 3 recalled
  const auto expect_slot = [&](int64_t event, int64_t entry, int64_t slot) {
    EXPECT_TRUE(delta.select(1, event).select(1, entry).equal(table.select(1, slot)))
        << "event " << event << ", entry " << entry;
  };
  expect_slot(0, 0, 1);
  expect_slot(0, 1, 0);
  expect_slot(0, 2, 4);
  expect_slot(1, 0, 3);
  expect_slot(1, 3, 0);
  expect_slot(1, 4, 4);
  expect_slot(1, 6, 6);
}

TEST(MeanShift, LeavesKeysAndMovesValuesTowardsTheirMean) {
  const auto method = tiny_method("mean_shift", "strength: 0.25\n");
  const Events events = some_events(3);
  const Edit edit = edit_of(*method, events);
  EXPECT_EQ(greatest(edit.delta_YEWC.narrow(3, 0, 16)), 0);
  const at::Tensor values = events.u_YEWC.narrow(3, 16, 16),
                   changed = values + edit.gate * edit.delta_YEWC.narrow(3, 16, 16);
  for (const auto& [event, count] : {std::pair<int64_t, int64_t>{0, 3}, {1, 7}}) {
    const at::Tensor real = values.select(1, event).narrow(1, 0, count);
    EXPECT_LE(greatest(changed.select(1, event).narrow(1, 0, count) - (0.75 * real + 0.25 * real.mean(1, true))),
              1e-12);
  }
}

}  // namespace
}  // namespace bt
