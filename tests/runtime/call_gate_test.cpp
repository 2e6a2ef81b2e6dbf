// A gate over calls of a coprocessor: what it is trained on, and what it skips.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "bt/optim/adamw.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

class CallGate : public ::testing::Test {
 protected:
  std::unique_ptr<Method> method(const std::string& calls, double cost = 0) const {
    DcaOptions options = options_;
    options.calls = calls;
    options.call_cost = cost;
    auto made = make_method("dca", options, testing::tiny_context(backbone_.decoder.config));
    made->start_from(backbone_.decoder);
    return made;
  }

  static void set_gate(Method& method, double weight, double bias) {
    const at::NoGradGuard no_grad;
    at::Tensor w = method.parameters()->leaf("gate.weight");
    w.copy_((at::arange(w.numel(), w.options()) * 1.7).sin().view_as(w) * weight);
    method.parameters()->leaf("gate.bias").fill_(bias);
  }

  Forward forward(const Method* method, const DevicePlan& plan, double scale = 1) const {
    return teacher_forced(backbone_.decoder, method, plan, {.loss_scale = scale});
  }

  // The places of a whole text where the method acts as the decoder writes it, and the logits on the way.
  struct Written {
    std::vector<int64_t> boundaries;
    at::Tensor logits;
  };
  Written written(const Method* method, const std::vector<int32_t>& ids, int64_t prompt,
                  const TriggerOptions& trigger) const {
    std::vector<at::Tensor> seen;
    const ChooseTokens given = [&](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
      seen.push_back(logits_AV.clone());
      return std::vector<int32_t>{ids[static_cast<size_t>(prompt + rows[0].generated)]};
    };
    Decoding engine(backbone_.decoder, method, table_, trigger, {}, {.slots = 1, .capacity = 128}, given);
    engine.admit({{1, {ids.begin(), ids.begin() + prompt}, static_cast<int64_t>(ids.size()) - prompt}});
    while (!engine.idle()) engine.step();
    return {engine.boundaries(0), at::cat(seen)};
  }

  Backbone backbone_ = testing::tiny_backbone(testing::tiny_config(), false);
  BoundaryTable table_ = testing::tiny_table();
  DcaOptions options_ = [] {
    DcaOptions options;
    options.latents = 3;
    options.ahead = 4;
    options.places = 6;
    options.train_lag = {0, 2};
    options.deviation = 0.5;
    return options;
  }();
  std::vector<Example> batch_ = testing::random_batch(17, {.sequences = 3, .longest_prompt = 3});
  Plan plan_ = training_plan_for(method("always").get(), batch_, table_, {}, {testing::kEos}, {3, 8});
  DevicePlan device_ = to_device(plan_, at::kCPU);
};

TEST_F(CallGate, LossIsTheMeanOfBothWaysWeighedByItsProbability) {
  const auto gated = method("learned", 0.25);
  set_gate(*gated, 0, 0.4);  // every call with the same probability
  const double p = 1 / (1 + std::exp(-0.4));
  const Forward found = forward(gated.get(), device_, 0.1), with = forward(method("always").get(), device_, 0.1);
  const at::Tensor without_M = forward(nullptr, device_).nll_M;
  const double expected = (p * (with.nll_M + 0.25) + (1 - p) * without_M).sum().item<double>() * 0.1;
  EXPECT_NEAR(found.loss.item<double>() - with.loss.item<double>(), expected, 1e-9);
  EXPECT_TRUE(at::equal(found.nll_M, with.nll_M));
}

TEST_F(CallGate, GradientIsThatOfTheLoss) {
  const auto gated = method("learned", 0.25);
  set_gate(*gated, 0.3, -0.1);
  forward(gated.get(), device_).loss.backward();
  const double step = 1e-5;
  for (const auto& [name, at] :
       {std::pair("gate.weight", 0), std::pair("gate.weight", 17), std::pair("gate.bias", 0)}) {
    at::Tensor value = gated->parameters()->leaf(name).flatten()[at].detach();
    const double found = gated->parameters()->leaf(name).grad().flatten()[at].item<double>();
    const auto loss_at = [&](double change) {
      value += change;
      const double loss = forward(gated.get(), device_).loss.item<double>();
      value -= change;
      return loss;
    };
    EXPECT_NEAR(found, (loss_at(step) - loss_at(-step)) / (2 * step), 1e-6 * std::max(1.0, std::abs(found))) << name;
    EXPECT_NE(found, 0) << name;
  }
}

TEST_F(CallGate, LeavesTheCoprocessorsGradientsAsTheyAre) {
  const auto gated = method("learned", 0.25), plain = method("always");
  set_gate(*gated, 0.3, -0.1);
  for (Method* each : {gated.get(), plain.get()}) forward(each, device_).loss.backward();
  for (const ParameterInfo& info : plain->parameters()->infos()) {
    for (int64_t layer = 0; layer < std::max<int64_t>(info.layers, 1); ++layer)
      EXPECT_TRUE(at::equal(gated->parameters()->leaf(info.name, layer).grad(),
                            plain->parameters()->leaf(info.name, layer).grad()))
          << info.name;
  }
}

TEST_F(CallGate, ReadsWhereTheCoprocessorReadsInTrainingAsInDecoding) {
  const auto gated = method("learned");
  set_gate(*gated, 1, 0);
  const at::Tensor open_R = forward(gated.get(), device_).open_R;
  const TriggerOptions prompt_end{.kind = "none", .at_prompt_end = true};
  for (size_t r = 0; r < plan_.branches.size(); ++r) {
    const PlanBranch& branch = plan_.branches[r];
    const PlanSequence& text = plan_.sequences[static_cast<size_t>(branch.sequence)];
    const std::vector<int32_t>& ids = batch_[static_cast<size_t>(text.example)].ids;
    const bool acted = !written(gated.get(), ids, branch.read_end, prompt_end).boundaries.empty();
    EXPECT_EQ(open_R[static_cast<int64_t>(r)].item<bool>(), acted) << "branch " << r;
  }
  const int64_t open = open_R.sum().item<int64_t>();
  EXPECT_TRUE(open > 0 && open < open_R.numel()) << open << " of " << open_R.numel();
}

TEST_F(CallGate, ClosedIsTheDecoderAloneAndOpenTheMethodWithoutAGate) {
  const TriggerOptions often{.kind = "every_n", .every_n = 3, .at_prompt_end = true};
  for (const bool asynchronous : {false, true}) {
    options_.asynchronous = asynchronous;
    options_.join_after = asynchronous ? 1 : -1;
    const auto gated = method("learned"), plain = method("always");
    const auto same = [&](double bias, const Method* other) {
      set_gate(*gated, 0.01, bias);
      const Written found = written(gated.get(), batch_[0].ids, 2, often),
                    expected = written(other, batch_[0].ids, 2, often);
      return at::equal(found.logits, expected.logits) &&
             found.boundaries.size() == (other == nullptr ? 0 : expected.boundaries.size());
    };
    EXPECT_TRUE(same(-5, nullptr));
    EXPECT_TRUE(same(5, plain.get()));
    EXPECT_FALSE(same(5, nullptr));
  }
}

// The coprocessor is trained until calls pay, then the cost is put between the half that gains most and the rest.
TEST_F(CallGate, LearnsWhichCallsGainMoreThanTheyCost) {
  const auto trained = method("always");
  AdamW optimiser({trained->parameters()}, {});
  for (int i = 0; i < 20; ++i) {
    trained->parameters()->zero_grad();
    forward(trained.get(), device_, 0.02).loss.backward();
    optimiser.step(1e-2);
  }
  const at::Tensor gain_M = forward(nullptr, device_).nll_M - forward(trained.get(), device_).nll_M;
  const at::Tensor branch_M = device_.supervised_M.floor_divide(options_.ahead);
  const int64_t branches = static_cast<int64_t>(plan_.branches.size());
  const auto by_branch = [&](const at::Tensor& x_M) {
    return at::zeros({branches}, at::kDouble).index_add_(0, branch_M, x_M);
  };
  const at::Tensor gain_R = by_branch(gain_M) / by_branch(at::ones_like(gain_M));
  const double cost = gain_R.median().item<double>() + 1e-3;
  ASSERT_GT(cost, 0);
  const auto gated = method("learned", cost);
  {
    const at::NoGradGuard no_grad;
    for (const ParameterInfo& info : trained->parameters()->infos()) {
      for (int64_t layer = 0; layer < std::max<int64_t>(info.layers, 1); ++layer)
        gated->parameters()->leaf(info.name, layer).copy_(trained->parameters()->leaf(info.name, layer));
    }
  }
  for (int i = 0; i < 80; ++i) {
    gated->parameters()->zero_grad();
    forward(gated.get(), device_).loss.backward();
    const at::NoGradGuard no_grad;
    for (const char* name : {"gate.weight", "gate.bias"}) {
      at::Tensor leaf = gated->parameters()->leaf(name);
      leaf.sub_(leaf.grad(), 0.3);
    }
  }
  const at::Tensor open_R = forward(gated.get(), device_).open_R;
  const at::Tensor clear_R = (gain_R - cost).abs() > 0.2;  // too close to call are the others
  EXPECT_GE(clear_R.logical_and(gain_R < cost).sum().item<int64_t>(), 4);
  EXPECT_GE(clear_R.logical_and(gain_R > cost).sum().item<int64_t>(), 4);
  EXPECT_TRUE(at::equal(open_R.masked_select(clear_R), (gain_R > cost).masked_select(clear_R)))
      << "gains " << gain_R << ", open " << open_R << ", cost " << cost;
}

}  // namespace
}  // namespace bt
