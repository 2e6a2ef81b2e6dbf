// The learned decision to act at a boundary.
#include "../../src/latent/learned_call.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/latent/method.h"
#include "support/tiny.h"

namespace bt {
namespace {

constexpr int8_t kPad = static_cast<int8_t>(RowKind::pad), kRecent = static_cast<int8_t>(RowKind::recent),
                 kRecalled = static_cast<int8_t>(RowKind::recalled);

// Two layers, three events of three slots: the newest row in the middle, first, and nowhere.
struct Given {
  Events events;
  at::Tensor u_YEWC, weight_YC, bias_Y1;

  explicit Given(double call_weight) {
    const std::vector<int64_t> position{4, 9, 2, 7, 1, 0, 0, 0, 0};
    const std::vector<int64_t> kind{kRecent, kRecent, kRecalled, kRecent, kRecalled, kPad, kPad, kPad, kPad};
    const auto two = [](const std::vector<int64_t>& v) {
      return at::tensor(v, at::kLong).view({1, 3, 3}).expand({2, 3, 3});
    };
    events.layer_end = 2;
    events.position_YEW = two(position);
    events.kind_YEW = two(kind).to(at::kChar);
    events.call_weight = call_weight;
    u_YEWC = at::arange(2 * 3 * 3 * 4, at::kDouble).sin().view({2, 3, 3, 4});
    weight_YC = at::arange(8, at::kDouble).cos().view({2, 4}).requires_grad_(true);
    bias_Y1 = at::tensor({0.3, -0.2}, at::kDouble).view({2, 1}).requires_grad_(true);
  }

  // By the formula, row by row.
  at::Tensor logit(int64_t layer, int64_t event, int64_t newest) const {
    return (u_YEWC[layer][event][newest] * weight_YC[layer]).sum() + bias_Y1[layer][0];
  }
};

TEST(LearnedCall, ReadsTheNewestRowOfEveryEventAndLayer) {
  const Given given(0.5);
  const LearnedCall call = learned_call(given.events, given.u_YEWC, given.weight_YC, given.bias_Y1, 1);
  for (int64_t layer = 0; layer < 2; ++layer) {
    EXPECT_NEAR(call.factor_YE11[layer][0].item<double>(), given.logit(layer, 0, 1).sigmoid().item<double>(), 1e-12);
    EXPECT_NEAR(call.factor_YE11[layer][1].item<double>(), given.logit(layer, 1, 0).sigmoid().item<double>(), 1e-12);
    EXPECT_EQ(call.factor_YE11[layer][2].item<double>(), 0) << "an event without rows";
  }
  EXPECT_FALSE(call.probability_YE.requires_grad());
}

TEST(LearnedCall, DecidesAtAHalfOutsideTraining) {
  const Given given(0);
  const LearnedCall call = learned_call(given.events, given.u_YEWC, given.weight_YC, given.bias_Y1, 1);
  bool acts = false, rests = false;
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const auto& [event, newest] : {std::pair{0, 1}, std::pair{1, 0}}) {
      const bool above = given.logit(layer, event, newest).item<double>() >= 0;
      EXPECT_EQ(call.factor_YE11[layer][event].item<double>(), above ? 1 : 0);
      (above ? acts : rests) = true;
    }
  }
  EXPECT_TRUE(acts && rests) << "the example shows both";
}

TEST(LearnedCall, ItsGradientIsThatOfTheLossAndTheMeanProbabilityThatIsPaidFor) {
  constexpr double cost = 0.7, weight = 0.25;
  const at::Tensor use = at::arange(6, at::kDouble).cos().view({2, 3, 1, 1});
  const auto gradients = [&](bool by_formula) {
    const Given given(weight);
    at::Tensor loss;
    if (by_formula) {
      loss = at::zeros({}, at::kDouble);
      for (int64_t layer = 0; layer < 2; ++layer) {
        for (const auto& [event, newest] : {std::pair{0, 1}, std::pair{1, 0}}) {
          const at::Tensor p = given.logit(layer, event, newest).sigmoid();
          loss = loss + p * use[layer][event][0][0] + cost * weight * p;
        }
      }
    } else {
      const LearnedCall call = learned_call(given.events, given.u_YEWC, given.weight_YC, given.bias_Y1, cost);
      loss = (call.factor_YE11 * use).sum();
    }
    loss.backward();
    return at::cat({given.weight_YC.grad().flatten(), given.bias_Y1.grad().flatten()});
  };
  EXPECT_TRUE(at::allclose(gradients(false), gradients(true), 1e-12, 1e-14));
}

TEST(LearnedCall, EventsWithoutASlotDoNotAct) {
  Given given(0.5);
  given.events.position_YEW = given.events.position_YEW.narrow(2, 0, 0);
  given.events.kind_YEW = given.events.kind_YEW.narrow(2, 0, 0);
  const LearnedCall call = learned_call(given.events, given.u_YEWC.narrow(2, 0, 0), given.weight_YC, given.bias_Y1, 1);
  EXPECT_EQ(call.factor_YE11.sum().item<double>(), 0);
}

}  // namespace
}  // namespace bt
