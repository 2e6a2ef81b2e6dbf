// The engines in fp32 and bf16. Where rounding could change which rows are chosen, the choice is replayed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "bt/latent/row_choice.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

// A rewrite that takes its rows from a trace, by (sequence, boundary, layer).
class ReplayedRewrite final : public Method, public Rewrite {
 public:
  using Trace = std::map<std::array<int64_t, 3>, std::vector<int64_t>>;
  ReplayedRewrite(Method& method, Trace trace) : method_(method), trace_(std::move(trace)) {}
  std::string_view name() const override { return "replayed"; }
  Effects effects() const override { return {.rewrite = this}; }
  ParameterStore* parameters() override { return method_.parameters(); }
  int64_t recent_capacity() const override { return rewrite().recent_capacity(); }
  Edit edit(const Events& events, at::TensorList parameters) const override {
    return rewrite().edit(events, parameters);
  }
  ChosenRows choose(const EventRows& events) const override {
    ChosenRows chosen = rewrite().choose(events);
    for (int64_t e = 0; e < chosen.rows_EW.size(0); ++e) {
      const auto& rows =
          trace_.at({events.source_E[e].item<int64_t>(), events.ordinal_E[e].item<int64_t>(), layer_of(events, e)});
      const int64_t recent =
          std::max(events.rows_E[e].item<int64_t>() - recent_capacity(), events.step_begin_E[e].item<int64_t>());
      chosen.kind_EW[e].fill_(static_cast<int64_t>(RowKind::pad));
      chosen.rows_EW[e].fill_(-1);
      for (size_t w = 0; w < rows.size(); ++w) {
        const auto slot = static_cast<int64_t>(w);
        chosen.rows_EW[e][slot] = rows[w];
        chosen.kind_EW[e][slot] = static_cast<int64_t>(rows[w] >= recent ? RowKind::recent : RowKind::recalled);
      }
      ++replayed;
    }
    return chosen;
  }
  mutable int64_t replayed = 0;

 private:
  const Rewrite& rewrite() const { return *method_.effects().rewrite; }
  Method& method_;
  Trace trace_;
};

ReplayedRewrite::Trace trace_of(const Plan& plan, const RowTrace& rows) {
  ReplayedRewrite::Trace trace;
  for (size_t layer = 0; layer < rows.size(); ++layer) {
    for (size_t depth = 0; depth < rows[layer].size(); ++depth) {
      const at::Tensor& rows_EW = rows[layer][depth];
      for (int64_t e = 0; e < rows_EW.size(0); ++e) {
        auto& chosen = trace[{plan.sequences[static_cast<size_t>(e)].source, static_cast<int64_t>(depth),
                              static_cast<int64_t>(layer)}];
        for (int64_t w = 0; w < rows_EW.size(1); ++w) {
          if (rows_EW[e][w].item<int64_t>() >= 0) chosen.push_back(rows_EW[e][w].item<int64_t>());
        }
      }
    }
  }
  return trace;
}

// Log-probabilities of the response of one example, decoded with forced tokens.
std::vector<double> decoded(const Decoder& decoder, const Method* method, const Example& given,
                            const BoundaryTable& table) {
  std::vector<double> scores;
  const auto forced = [&](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    const int32_t id = given.ids[static_cast<size_t>(given.prompt_length + rows[0].generated)];
    scores.push_back(logits_AV.to(at::kDouble).log_softmax(1)[0][id].item<double>());
    return std::vector<int32_t>{id};
  };
  Decoding engine(decoder, method, table, {}, {testing::kEos}, {.slots = 1, .capacity = 64}, forced);
  engine.admit({{static_cast<uint64_t>(given.source),
                 {given.ids.begin(), given.ids.begin() + given.prompt_length},
                 static_cast<int64_t>(given.ids.size()) - given.prompt_length}});
  while (!engine.idle()) engine.step();
  return scores;
}

TEST(Precision, DecodingInFloatFollowsTheTrainingPassWithItsRows) {
  const ModelConfig config = testing::tiny_config();
  const Backbone backbone = testing::tiny_backbone(config, false, at::kFloat);
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config, at::kFloat));
  const BoundaryTable table = testing::tiny_table();
  for (const Example& example : testing::random_batch(21, {.sequences = 3})) {
    const Plan plan = make_plan({example}, table, {}, {testing::kEos});
    const Forward forward =
        teacher_forced(backbone.decoder, method.get(), to_device(plan, at::kCPU), {.record_rows = true});
    const ReplayedRewrite replayed(*method, trace_of(plan, forward.rows));
    const std::vector<double> scores = decoded(backbone.decoder, &replayed, example, table);
    ASSERT_EQ(static_cast<int64_t>(scores.size()), forward.nll_M.size(0));
    EXPECT_EQ(replayed.replayed, static_cast<int64_t>(plan.events.size()) * config.layers);
    for (size_t t = 0; t < scores.size(); ++t)
      EXPECT_NEAR(scores[t], -forward.nll_M[static_cast<int64_t>(t)].item<double>(), 1e-5) << t;
  }
}

TEST(Precision, ReplayedRowsGiveTheSamePass) {
  const ModelConfig config = testing::tiny_config();
  const Backbone backbone = testing::tiny_backbone(config, false);
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config));
  const DevicePlan plan =
      to_device(make_plan(testing::random_batch(3), testing::tiny_table(), {}, {testing::kEos}), at::kCPU);
  const Forward first = teacher_forced(backbone.decoder, method.get(), plan, {.record_rows = true});
  for (const Order order : {Order::layer_major, Order::step_major}) {
    const Forward again = teacher_forced(backbone.decoder, method.get(), plan, {.order = order, .replay = &first.rows});
    EXPECT_NEAR(again.loss.item<double>(), first.loss.item<double>(), 1e-10);
  }
}

TEST(Precision, Bfloat16StaysCloseToFloatAndTrains) {
  const ModelConfig config = testing::tiny_config();
  const DevicePlan plan =
      to_device(make_plan(testing::random_batch(3), testing::tiny_table(), {}, {testing::kEos}), at::kCPU);
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config, at::kFloat));  // fp32 masters
  const Backbone wide = testing::tiny_backbone(config, false, at::kFloat),
                 narrow = testing::tiny_backbone(config, false, at::kBFloat16);
  const Forward exact = teacher_forced(wide.decoder, method.get(), plan, {.record_rows = true});
  for (const Order order : {Order::layer_major, Order::step_major}) {
    const Forward rounded = teacher_forced(narrow.decoder, method.get(), plan, {.order = order, .replay = &exact.rows});
    EXPECT_EQ(rounded.loss.scalar_type(), at::kFloat);
    EXPECT_NEAR(rounded.loss.item<double>() / exact.loss.item<double>(), 1, 0.03);
    method->parameters()->zero_grad();
    rounded.loss.backward();
    const at::Tensor gradient = method->parameters()->flat_grad();
    EXPECT_TRUE(gradient.isfinite().all().item<bool>());
    EXPECT_GT(gradient.abs().max().item<double>(), 0);
  }
}

}  // namespace
}  // namespace bt
