// Steering: both orders against a naive reference that goes token by token, for every choice of tokens.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/core/config_node.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "latent/latent_test_support.h"
#include "support/naive_cache.h"

namespace bt {
namespace {

struct Case {
  std::string name, places = "after", kind = "newline";
  bool before_newline = false;
  int64_t bptt_steps = 1, sequences = 5, max_calls = 0;
  bool prompt_newlines = true, at_prompt_end = true;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Steering : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    method_ = testing::tiny_method("steer", "places: " + c.places + "\n");
    testing::perturb(*method_);
    trigger_ = {.kind = c.kind,
                .every_n = 5,
                .at_prompt_end = c.at_prompt_end,
                .max_calls = c.max_calls,
                .before_boundary_token = c.before_newline};
    plan_ = plan_for(method_.get(),
                     testing::random_batch(3, {.sequences = c.sequences, .newline_in_prompt = c.prompt_newlines}),
                     testing::tiny_table(), trigger_, {testing::kEos});
  }

  // Tokens of a sequence after which the method acts.
  std::vector<int64_t> cuts(int32_t sequence) const {
    std::vector<int64_t> out;
    for (const PlanEvent& event : plan_.events) {
      if (event.sequence == sequence) out.push_back(event.rows);
    }
    return out;
  }

  // Is a newline at token t the end of a step: does a token with text stand since `from`?
  bool ends_step(int32_t sequence, int64_t from, int64_t t) const {
    const int64_t begin = plan_.sequences[static_cast<size_t>(sequence)].begin;
    const auto id = [&](int64_t i) { return plan_.ids[static_cast<size_t>(begin + i)]; };
    if (id(t) != testing::kNewline) return false;
    for (int64_t i = from; i < t; ++i) {
      if (id(i) != testing::kNewline) return true;
    }
    return false;
  }

  bool expected(int32_t sequence, int64_t t) const {
    const int64_t back = GetParam().before_newline ? 1 : 0;
    for (const int64_t cut : cuts(sequence)) {
      if (GetParam().places == "boundary_token" && t == cut - 1 + back) return true;
      if (GetParam().places == "after" && t >= cut) return true;
      if (GetParam().places != "next_step" || t < cut) continue;
      bool is_over = false;
      for (int64_t i = cut + back; i < t; ++i) is_over = is_over || ends_step(sequence, cut + back, i);
      if (!is_over) return true;
    }
    return false;
  }

  at::Tensor naive_loss() const {
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (int32_t b = 0; b < static_cast<int32_t>(plan_.sequences.size()); ++b) {
      const auto enter = [&](int64_t layer, int64_t t, const at::Tensor& x_1C) {
        return expected(b, t) ? x_1C + method_->parameters()->leaf("direction", layer) : x_1C;
      };
      loss = loss + testing::naive_cache_loss(backbone_.decoder, plan_, b,
                                              {.bptt_steps = GetParam().bptt_steps, .act = {}, .enter = enter});
    }
    return loss;
  }

  std::pair<double, at::Tensor> loss_and_gradient(const at::Tensor& loss) const {
    method_->parameters()->zero_grad();
    loss.backward();
    return {loss.item<double>(), method_->parameters()->flat_grad().clone()};
  }

  Backbone backbone_ = testing::tiny_backbone(testing::tiny_config(), false);
  std::unique_ptr<Method> method_;
  TriggerOptions trigger_;
  Plan plan_;
};

TEST_P(Steering, OrdersEqualTheNaiveReference) {
  ASSERT_GT(plan_.depths(), 1);
  const auto [loss, gradient] = loss_and_gradient(naive_loss());
  const double scale = gradient.abs().max().item<double>();
  ASSERT_GT(scale, 0);
  for (const Order order : {Order::step_major, Order::layer_major}) {
    const DevicePlan plan = to_device(plan_, at::kCPU);
    const Forward forward =
        teacher_forced(backbone_.decoder, method_.get(), plan, {.order = order, .bptt_steps = GetParam().bptt_steps});
    const auto [own_loss, own_gradient] = loss_and_gradient(forward.loss);
    EXPECT_NEAR(own_loss, loss, 1e-9 * loss);
    EXPECT_LE((own_gradient - gradient).abs().max().item<double>(), 1e-9 * scale);
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* places : {"boundary_token", "next_step", "after"}) {
    const std::string tag = places;
    for (const int64_t bptt : {1, 2, 0})
      all.push_back({.name = str(tag, "_bptt", bptt), .places = tag, .bptt_steps = bptt});
    all.push_back({.name = tag + "_before", .places = tag, .before_newline = true});
    all.push_back({.name = tag + "_before_full", .places = tag, .before_newline = true, .bptt_steps = 0});
    all.push_back({.name = tag + "_prompt_end_alone", .places = tag, .kind = "none"});
    all.push_back({.name = tag + "_nineteen_two_calls",
                   .places = tag,
                   .sequences = 19,
                   .max_calls = 2,
                   .prompt_newlines = false});
    all.push_back({.name = tag + "_one_sequence", .places = tag, .sequences = 1});
    all.push_back({.name = tag + "_every_5", .places = tag, .kind = "every_n", .at_prompt_end = false});
    all.push_back({.name = tag + "_every_5_before_once",
                   .places = tag,
                   .kind = "every_n",
                   .before_newline = true,
                   .max_calls = 1});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, Steering, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

std::vector<uint8_t> steered(const std::string& places, const TriggerOptions& trigger, const Example& text) {
  const auto method = testing::tiny_method("steer", "places: " + places + "\n");
  return plan_for(method.get(), {text}, testing::tiny_table(), trigger, {testing::kEos}).steered;
}

TEST(SteeredTokens, AreThoseOfTheChosenPlaces) {
  const int32_t n = testing::kNewline;
  const Example text{.ids = {9, 9, n, 9, n, n, 9, 9, n, 9, testing::kEos},
                     .prompt_length = 3,
                     .supervised = std::vector<uint8_t>(11, 1)};
  using Flags = std::vector<uint8_t>;
  EXPECT_EQ(steered("boundary_token", {}, text), (Flags{0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(steered("after", {}, text), (Flags{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(steered("next_step", {}, text), steered("after", {}, text));
  EXPECT_EQ(steered("next_step", {.kind = "none"}, text), (Flags{0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(steered("next_step", {.max_calls = 2}, text), (Flags{0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(steered("boundary_token", {.before_boundary_token = true}, text), (Flags{0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(steered("next_step", {.kind = "none", .before_boundary_token = true}, text),
            (Flags{0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(steered("after", {.kind = "none", .at_prompt_end = false}, text), Flags(11, 0));
}

}  // namespace
}  // namespace bt
