// How far the loss of the last step reaches back, by bptt_steps.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/latent/row_choice.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

constexpr int64_t kEvents = 4;

// A rewrite whose change is one parameter per boundary: its gradient shows which boundaries a loss reaches.
class ChangePerBoundary final : public Method, public Rewrite {
 public:
  explicit ChangePerBoundary(const ModelConfig& model)
      : store_({{.name = "change", .shape = {kEvents, 2 * model.kv_heads * model.head_dim}, .layers = model.layers}},
               c10::TensorOptions(at::kDouble)) {
    store_.initialise(1);
  }
  std::string_view name() const override { return "change_per_boundary"; }
  Effects effects() const override { return {.rewrite = this}; }
  ParameterStore* parameters() override { return &store_; }
  int64_t recent_capacity() const override { return 2; }
  ChosenRows choose(const EventRows& events) const override { return choose_rows(events, {.recall = 2, .recent = 2}); }
  Edit edit(const Events& events, at::TensorList parameters) const override {
    const at::Tensor change_YEC = parameters[0].index_select(1, events.ordinal_E);
    const at::Tensor real = (events.kind_YEW != static_cast<int64_t>(RowKind::pad)).unsqueeze(-1);
    return {change_YEC.unsqueeze(2) * real, at::ones({1}, change_YEC.options())};
  }

 private:
  ParameterStore store_;
};

// A prompt and four steps; only the last one counts in the loss.
Example supervised_at_the_end() {
  Example example;
  example.prompt_length = 3;
  for (int64_t t = 0; t < 15; ++t) {
    const bool newline = t == 5 || t == 8 || t == 11;
    example.ids.push_back(newline ? testing::kNewline : static_cast<int32_t>(9 + t % 13));
    example.supervised.push_back(t > 12 ? 1 : 0);
  }
  return example;
}

// Which boundaries have a gradient, in layer 0 of two.
std::vector<bool> reached(Order order, int64_t bptt_steps) {
  const ModelConfig config = testing::tiny_config(2);
  const Backbone backbone = testing::tiny_backbone(config, false);
  const Plan plan = make_plan({supervised_at_the_end()}, testing::tiny_table(), {}, {testing::kEos});
  EXPECT_EQ(plan.events.size(), static_cast<size_t>(kEvents));
  ChangePerBoundary method(config);
  teacher_forced(backbone.decoder, &method, to_device(plan, at::kCPU), {.order = order, .bptt_steps = bptt_steps})
      .loss.backward();
  std::vector<bool> out;
  for (int64_t n = 0; n < kEvents; ++n)
    out.push_back(method.parameters()->leaf("change", 0).grad()[0][n].abs().max().item<double>() > 0);
  return out;
}

TEST(Truncation, TheLastLossReachesBackToTheLastCut) {
  for (const Order order : {Order::layer_major, Order::step_major}) {
    EXPECT_EQ(reached(order, 1), (std::vector<bool>{false, false, false, true}));
    EXPECT_EQ(reached(order, 2), (std::vector<bool>{false, false, true, true}));   // cuts before changes 0 and 2
    EXPECT_EQ(reached(order, 3), (std::vector<bool>{false, false, false, true}));  // and 0 and 3
    EXPECT_EQ(reached(order, 0), (std::vector<bool>{true, true, true, true}));
  }
}

}  // namespace
}  // namespace bt
