// A boundary's event of fixed shape: against one event and one layer at a time, and recorded and replayed in decoding.
#include "../../src/runtime/event_step.h"

#include "bt/ops/ops.h"
#include "bt/runtime/tensor_memory.h"
#include "runtime/decoded_scores.h"
#include "runtime/stand_in_graph.h"

namespace bt {
namespace {

using testing::CpuGraphs, testing::DecodingCase, testing::StandInGraph;

constexpr int64_t kRing = 4;

// Five slots, or as many as there are lengths; runs of layers of 1 and 2.
class EventStepTest : public ::testing::Test {
 protected:
  explicit EventStepTest(int64_t capacity = 40, const std::vector<int64_t>& lengths = {30, 0, 12, 3, 21})
      : cache_(config(), static_cast<int64_t>(lengths.size()), capacity, c10::TensorOptions(at::kDouble)) {
    at::NoGradGuard no_grad;
    at::manual_seed(3);
    const auto fp64 = c10::TensorOptions(at::kDouble);
    const at::Tensor length_B = at::tensor(lengths);
    cache_.advance_(length_B);
    KvView all = cache_.view(LayerRange{0, 3}, capacity);
    all.k_BGTD.normal_();
    all.v_BGTD.normal_();
    all.position_BT.copy_(at::arange(capacity).expand_as(all.position_BT));
    ring_.q_LBRHD = at::randn({3, cache_.slots(), kRing + 1, 4, 8}, fp64);
    ring_.lse_LBRH = at::randn({3, cache_.slots(), kRing + 1, 4}, fp64) + 3;
  }

  static ModelConfig config() {
    ModelConfig config = testing::tiny_config();
    config.window = {0, 9, 9};
    return config;
  }

  // One slot, one layer.
  void act_alone(const SlotEvent& event, int64_t layer, const Rewrite& rewrite, const std::vector<at::Tensor>& all,
                 KvCache& cache) const {
    const auto one = [](int64_t value) { return at::full({1}, value, at::kLong); };
    const int64_t rows = cache.length_LB()[layer][event.slot].item<int64_t>();
    const KvView kv = cache.view(layer, rows, one(event.slot));
    std::vector<at::Tensor> q, lse, own;
    for (int64_t v = 0; v < event.voters; ++v) {
      q.push_back(ring_.q_LBRHD[layer][event.slot][(event.ring_begin + v) % kRing]);
      lse.push_back(ring_.lse_LBRH[layer][event.slot][(event.ring_begin + v) % kRing]);
    }
    EventRows at;
    at.mass_ET = ops::attention_mass(at::stack(q).unsqueeze(0), at::stack(lse).unsqueeze(0), one(event.voters),
                                     one(event.voters), kv, decoder().attention(layer));
    at.k_BGTD = kv.k_BGTD;
    at.rows_E = one(rows);
    at.step_begin_E = one(rows - event.step_tokens);
    at.position_ET = kv.position_BT;
    at.source_E = one(event.source);
    at.ordinal_E = one(event.ordinal);
    at.layer = layer;
    at.window = config().window[static_cast<size_t>(layer)];
    const ChosenRows chosen = rewrite.choose(at);
    const at::Tensor row_EW = chosen.rows_EW.clamp_min(0);
    const Events events{.layer_begin = layer,
                        .layer_end = layer + 1,
                        .u_YEWC = ops::gather_rows(kv, chosen.rows_EW).unsqueeze(0),
                        .position_YEW = at.position_ET.gather(1, row_EW).unsqueeze(0),
                        .kind_YEW = chosen.kind_EW.unsqueeze(0),
                        .mass_YEW = at.mass_ET.gather(1, row_EW).unsqueeze(0),
                        .source_E = at.source_E,
                        .ordinal_E = at.ordinal_E};
    for (const at::Tensor& parameter : all) own.push_back(parameter.narrow(0, layer, 1));
    const Edit edit = rewrite.edit(events, own);
    const at::Tensor new_WC = (events.u_YEWC + edit.gate * edit.delta_YEWC)[0][0];
    const KvView to = cache.view(layer, rows);
    for (int64_t w = 0; w < chosen.rows_EW.size(1); ++w) {
      const int64_t row = chosen.rows_EW[0][w].item<int64_t>();
      if (row < 0) continue;
      to.k_BGTD[event.slot].select(1, row).copy_(new_WC[w].view({2, 2, 8})[0]);
      to.v_BGTD[event.slot].select(1, row).copy_(new_WC[w].view({2, 2, 8})[1]);
    }
  }

  const Decoder& decoder() const { return backbone_.decoder; }

  void expect_events(const std::vector<SlotEvent>& events, EventStep& step, const Method& method) {
    at::NoGradGuard no_grad;
    const KvView now = cache_.view(LayerRange{0, 3}, cache_.capacity());
    const at::Tensor k = now.k_BGTD.clone(), v = now.v_BGTD.clone();
    KvCache expected(config(), cache_.slots(), cache_.capacity(), c10::TensorOptions(at::kDouble));
    expected.advance_(cache_.length_LB()[0]);
    const KvView to = expected.view(LayerRange{0, 3}, cache_.capacity());
    to.k_BGTD.copy_(k);
    to.v_BGTD.copy_(v);
    to.position_BT.copy_(now.position_BT);
    for (const SlotEvent& event : events) {
      for (int64_t layer = 0; layer < 3; ++layer)
        act_alone(event, layer, *method.effects().rewrite, method.parameters()->stacked(), expected);
    }
    step.run(events, 30);
    EXPECT_TRUE(at::allclose(now.k_BGTD, to.k_BGTD, 0, 1e-9));
    EXPECT_TRUE(at::allclose(now.v_BGTD, to.v_BGTD, 0, 1e-9));
    EXPECT_FALSE(at::equal(now.v_BGTD, v));
    const at::Tensor untouched = to.v_BGTD.eq(v);
    EXPECT_TRUE(at::equal(now.v_BGTD.masked_select(untouched), v.masked_select(untouched))) << "every bit stays";
  }

  Backbone backbone_ = testing::tiny_backbone(config(), false);
  KvCache cache_;
  QueryRing ring_;
};

TEST_F(EventStepTest, ActsOnTheSlotsThatFireAsOnEachAlone) {
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config()));
  const CpuGraphs graphs;
  EventStep step(decoder(), cache_, ring_, *method->effects().rewrite, method->parameters()->stacked());
  const SlotEvent first{.slot = 0, .step_tokens = 6, .voters = 4, .ring_begin = 2, .source = 11, .ordinal = 3};
  const SlotEvent third{.slot = 2, .step_tokens = 1, .voters = 1, .ring_begin = 3, .source = 13};
  const SlotEvent few{.slot = 3, .step_tokens = 3, .voters = 3, .source = 14};  // fewer rows than asked
  const SlotEvent last{.slot = 4, .step_tokens = 2, .voters = 2, .ring_begin = 1, .source = 15, .ordinal = 1};
  expect_events({few}, step, *method);
  expect_events({last}, step, *method);
  expect_events({third, last}, step, *method);
  expect_events({first, third, few}, step, *method);        // with a column to spare
  expect_events({first, third, few, last}, step, *method);  // one slot short of all
  expect_events({first}, step, *method);
  EXPECT_EQ(StandInGraph::records, 3) << "of 1, 2 and 4 columns";
  EXPECT_EQ(StandInGraph::replays, 6);
}

// Steps look at 256 rows of 600 where no slot that acts holds more; the others are there all the same, as spare columns
// and while a graph is recorded.
class EventsBesideLongTexts : public EventStepTest {
 protected:
  EventsBesideLongTexts() : EventStepTest(600, {30, 500, 12, 3, 599}) {}
};

TEST_F(EventsBesideLongTexts, ActOnTheirOwnSlots) {
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config()));
  const CpuGraphs graphs;
  EventStep step(decoder(), cache_, ring_, *method->effects().rewrite, method->parameters()->stacked());
  const SlotEvent first{.slot = 0, .step_tokens = 6, .voters = 4, .ring_begin = 2, .source = 11, .ordinal = 3};
  const SlotEvent third{.slot = 2, .step_tokens = 1, .voters = 1, .ring_begin = 3, .source = 13};
  const SlotEvent few{.slot = 3, .step_tokens = 3, .voters = 3, .source = 14};
  expect_events({first, third, few}, step, *method);
  expect_events({third}, step, *method);
}

// More layers times events than are worked on at a time.
class EventsInParts : public EventStepTest {
 protected:
  EventsInParts() : EventStepTest(40, std::vector<int64_t>(48, 20)) {}
};

TEST_F(EventsInParts, AreThoseOfEachSlotAlone) {
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config()));
  EventStep step(decoder(), cache_, ring_, *method->effects().rewrite, method->parameters()->stacked());
  std::vector<SlotEvent> events;
  for (int64_t slot = 0; slot < 48; ++slot)
    events.push_back({.slot = slot, .step_tokens = 1 + slot % 9, .voters = 1 + slot % 4, .source = slot});
  expect_events(events, step, *method);  // of all slots, where they lie
  events.erase(events.begin() + 3);
  events.resize(30);
  expect_events(events, step, *method);  // of some, by their places
}

// The most that tensors of an event take, with 64 slots.
int64_t peak_of_event(int64_t layers) {
  constexpr int64_t slots = 64, rows = 20;
  const ModelConfig config = testing::tiny_config(layers);
  const Backbone backbone = testing::tiny_backbone(config, false);
  BtOptions options = testing::tiny_bt();
  options.feed_forward = 200;
  const auto method = make_method("bt", options, testing::tiny_context(config));
  const auto fp64 = c10::TensorOptions(at::kDouble);
  KvCache cache(config, slots, rows, fp64);
  cache.advance_(at::full({slots}, rows, at::kLong));
  const QueryRing ring{at::zeros({layers, slots, kRing + 1, 4, 8}, fp64),
                       at::zeros({layers, slots, kRing + 1, 4}, fp64)};
  EventStep step(backbone.decoder, cache, ring, *method->effects().rewrite, method->parameters()->stacked());
  std::vector<SlotEvent> events;
  for (int64_t slot = 0; slot < slots; ++slot) events.push_back({.slot = slot, .step_tokens = 6, .voters = 4});
  const at::NoGradGuard no_grad;
  return tensor_memory([&] { step.run(events, rows); }).peak;
}

TEST(EventMemory, HardlyGrowsWithLayers) { EXPECT_LT(peak_of_event(16), 3 * peak_of_event(1) / 2); }

TEST_F(EventStepTest, AnEmptyStepChangesNothing) {
  at::NoGradGuard no_grad;
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config()));
  EventStep step(decoder(), cache_, ring_, *method->effects().rewrite, method->parameters()->stacked());
  const KvView now = cache_.view(LayerRange{0, 3}, cache_.capacity());
  const at::Tensor k = now.k_BGTD.clone(), v = now.v_BGTD.clone();
  step.run({{.slot = 0}, {.slot = 1}, {.slot = 2}, {.slot = 3}, {.slot = 4}}, 30);
  EXPECT_TRUE(at::equal(now.k_BGTD, k));
  EXPECT_TRUE(at::equal(now.v_BGTD, v));
}

// Decoding with events recorded and replayed = decoding with plain ones.
class RecordedEvents : public testing::DecodedScores {
 protected:
  void SetUp() override {
    DecodedScores::SetUp();
    batch_[0].ids.push_back(testing::kNewline);                           // a slot that ends where a step does
    batch_[1].ids.insert(batch_[1].ids.end() - 1, 2, testing::kNewline);  // two newlines in a row
  }
};

TEST_P(RecordedEvents, GiveWhatPlainOnesGive) {
  for (const int64_t slots : {1, 5}) {
    const auto expected = decoded_scores(slots);
    const CpuGraphs graphs;
    testing::expect_close(decoded_scores(slots, true), expected);
    EXPECT_GT(StandInGraph::records, 1) << "none but the token's";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RecordedEvents,
    ::testing::Values(DecodingCase{.name = "after"}, DecodingCase{.name = "before", .before_newline = true},
                      DecodingCase{.name = "inside_prompt", .inside_prompt = true},
                      DecodingCase{.name = "every_n", .trigger = "every_n"},
                      DecodingCase{.name = "entropy", .trigger = "entropy"},
                      DecodingCase{.name = "window_recent", .softcap = 1.5, .attention_window = 6, .window = "recent"},
                      DecodingCase{.name = "more_rows_than_there_are", .yaml = "{recall: 300, recent: 200}"},
                      DecodingCase{.name = "share_and_diversity",
                                   .yaml = "{recall: 6, recall_share: 0.7, recall_diversity: 0.5}"},
                      DecodingCase{.name = "mean_shift", .method = "mean_shift"},
                      DecodingCase{.name = "constant_rewrite",
                                   .method = "constant_rewrite",
                                   .yaml = "{recent: 4, recall: 3, gate_init: 0, out_deviation: 0.2}"}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

// What asks the host, or changes which rows there are, is never recorded.
class PlainEvents : public testing::DecodedScores {};

TEST_P(PlainEvents, AreNotRecorded) {
  const CpuGraphs graphs;
  decoded_scores(3, true);
  EXPECT_EQ(StandInGraph::records, 1) << "the token's";
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PlainEvents,
    ::testing::Values(DecodingCase{.name = "random", .yaml = "recall_by: random"},
                      DecodingCase{.name = "learned_calls", .yaml = "calls: learned"},
                      DecodingCase{.name = "lag", .lag = 2}, DecodingCase{.name = "evict", .method = "evict"},
                      DecodingCase{.name = "gist", .method = "gist", .yaml = "rows: 2"},
                      DecodingCase{.name = "append_rows", .method = "append_rows", .yaml = testing::kAppendRows}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
