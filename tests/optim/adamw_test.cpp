#include "bt/optim/adamw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

namespace bt {
namespace {

// Three groups: plain, without decay, and with a rate of its own; sizes that are no multiple of a vector width.
ParameterStore make_store(at::ScalarType dtype) {
  ParameterStore store({{.name = "weight", .shape = {3, 7}, .layers = 2},
                        {.name = "norm", .shape = {5}, .decay = false},
                        {.name = "gate", .shape = {1}, .layers = 2, .decay = false, .lr_multiplier = 10}},
                       at::TensorOptions().dtype(dtype));
  store.initialise(3);
  return store;
}

void fill_gradient(const ParameterStore& store, int64_t step) {
  const at::Tensor index = at::arange(store.count(), store.masters().options());
  store.flat_grad().copy_(at::sin(index * 1.7 + static_cast<double>(step)));
}

// Algorithm 2 of arXiv 1711.05101, one element at a time.
struct PlainAdamW {
  AdamWOptions options;
  std::vector<double> weights, first, second;
  int64_t steps = 0;

  void step(const std::vector<double>& gradient, const std::vector<double>& rate, const std::vector<double>& decay) {
    ++steps;
    for (size_t i = 0; i < weights.size(); ++i) {
      first[i] = options.beta1 * first[i] + (1 - options.beta1) * gradient[i];
      second[i] = options.beta2 * second[i] + (1 - options.beta2) * gradient[i] * gradient[i];
      const double mean = first[i] / (1 - std::pow(options.beta1, static_cast<double>(steps)));
      const double square = second[i] / (1 - std::pow(options.beta2, static_cast<double>(steps)));
      weights[i] -= rate[i] * decay[i] * weights[i];
      weights[i] -= rate[i] * mean / (std::sqrt(square) + options.eps);
    }
  }
};

std::vector<double> to_vector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

TEST(AdamW, EqualsThePlainAlgorithm) {
  ParameterStore store = make_store(at::kDouble);
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .weight_decay = 0.3};
  AdamW optimiser({&store}, options);
  const auto count = static_cast<size_t>(store.count());
  PlainAdamW plain{options, to_vector(store.flat()), std::vector<double>(count), std::vector<double>(count)};
  std::vector<double> multiplier(count, 1), decay(count, 0);
  for (const ParameterGroup& group : store.groups()) {
    for (int64_t i = group.begin; i < group.end; ++i) {
      multiplier[static_cast<size_t>(i)] = group.lr_multiplier;
      decay[static_cast<size_t>(i)] = group.decay ? options.weight_decay : 0;
    }
  }
  for (int64_t step = 0; step < 7; ++step) {
    const double lr = 0.01 / static_cast<double>(step + 1);
    fill_gradient(store, step);
    optimiser.step(lr);
    std::vector<double> rate(count);
    for (size_t i = 0; i < count; ++i) rate[i] = lr * multiplier[i];
    plain.step(to_vector(store.flat_grad()), rate, decay);
  }
  const std::vector<double> weights = to_vector(store.flat());
  for (size_t i = 0; i < count; ++i) EXPECT_NEAR(weights[i], plain.weights[i], 1e-12) << i;
}

TEST(AdamW, UpdatesTheLeavesThatAliasTheFlatBuffer) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    ParameterStore store = make_store(dtype);
    AdamW optimiser({&store}, {});
    const at::Tensor leaf = store.leaf("weight", 1);
    const at::Tensor before = leaf.detach().clone();
    fill_gradient(store, 0);
    optimiser.step(0.1);
    EXPECT_FALSE(at::equal(leaf.detach(), before)) << dtype;
  }
}

// A constant gradient moves every weight by the rate in every step. Below 1 the next number of bf16 is 0.996.
TEST(AdamW, MastersKeepUpdatesThatSixteenBitsWouldLose) {
  constexpr double rate = 1e-5;
  ParameterStore store({{.name = "w", .shape = {16}, .init = ParameterInfo::Init::ones}}, at::kBFloat16);
  store.initialise(1);
  AdamW optimiser({&store}, {});
  at::Tensor plain = store.flat().clone();
  for (int step = 1; step <= 400; ++step) {
    store.flat_grad().fill_(1);
    optimiser.step(rate);
    plain.sub_(rate);
    EXPECT_NEAR(store.masters()[7].item<double>(), 1 - step * rate, 1e-6 + step * 1e-7) << step;
    EXPECT_TRUE(at::equal(store.flat(), store.masters().to(at::kBFloat16))) << step;
  }
  EXPECT_EQ(plain[7].item<double>(), 1);
  EXPECT_LT(store.leaf("w")[7].item<double>(), 1);
}

TEST(AdamW, InSixteenBitsEqualsThirtyTwoOnTheSameGradients) {
  ParameterStore narrow = make_store(at::kBFloat16), wide = make_store(at::kFloat);
  AdamW first({&narrow}, {.weight_decay = 0.1}), second({&wide}, {.weight_decay = 0.1});
  for (int64_t step = 0; step < 5; ++step) {
    fill_gradient(narrow, step);
    wide.flat_grad().copy_(narrow.flat_grad());
    first.step(0.01);
    second.step(0.01);
  }
  EXPECT_TRUE(at::equal(narrow.masters(), wide.flat()));
  for (const auto& [name, average] : first.state()) EXPECT_EQ(average.scalar_type(), at::kFloat) << name;
}

TEST(AdamW, ContinuesFromItsSavedState) {
  ParameterStore straight = make_store(at::kFloat), resumed = make_store(at::kFloat);
  AdamW first({&straight}, {.weight_decay = 0.1});
  for (int64_t step = 0; step < 3; ++step) {
    fill_gradient(straight, step);
    first.step(0.02);
  }
  AdamW second({&resumed}, {.weight_decay = 0.1});
  resumed.masters().copy_(straight.masters());
  const auto saved = first.state(), loaded = second.state();
  for (size_t i = 0; i < saved.size(); ++i) {
    ASSERT_EQ(saved[i].first, loaded[i].first);
    loaded[i].second.copy_(saved[i].second);
  }
  second.set_steps(first.steps());
  fill_gradient(straight, 3);
  fill_gradient(resumed, 3);
  first.step(0.02);
  second.step(0.02);
  EXPECT_TRUE(at::equal(straight.flat(), resumed.flat()));
}

TEST(Gradient, NormRunsOverAllStores) {
  ParameterStore a = make_store(at::kFloat), b = make_store(at::kFloat);
  a.flat_grad().fill_(2);
  b.flat_grad().fill_(1);
  EXPECT_NEAR(gradient_norm({&a, &b}), std::sqrt(5.0 * static_cast<double>(a.count())), 1e-9);
}

TEST(Gradient, NormOfHugeGradientsIsFinite) {
  ParameterStore store = make_store(at::kFloat);
  store.flat_grad().fill_(1e30);
  EXPECT_TRUE(std::isfinite(gradient_norm({&store})));
}

// 2^-12 is lost beside 1 in bf16, and so is what fewer than 256 of them make.
TEST(Gradient, OfSixteenBitsIsAddedUpAndClippedInThirtyTwo) {
  ParameterStore store({{.name = "w", .shape = {1}}}, at::kBFloat16);
  for (int pass = 0; pass < 9; ++pass) {
    const at::Tensor leaf = store.leaf("w");
    at::Tensor loss = pass == 0 ? leaf.sum() : 0 * leaf.sum();
    for (int use = 0; use < 8; ++use) loss = loss + (leaf * (1.0 / 4096)).sum();  // several uses in one pass
    torch::autograd::backward({loss}, {});
  }
  EXPECT_EQ(store.flat_grad().scalar_type(), at::kFloat);
  const double norm = 1 + 9.0 * 8 / 4096;
  EXPECT_DOUBLE_EQ(gradient_norm({&store}), norm);
  clip_gradient_({&store}, norm, 0.3);
  EXPECT_NEAR(gradient_norm({&store}), 0.3, 1e-7);
}

TEST(Gradient, OneNanMakesTheNormNan) {
  ParameterStore store = make_store(at::kFloat);
  store.flat_grad()[store.count() - 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(std::isfinite(gradient_norm({&store})));
}

TEST(Gradient, ClippingKeepsTheDirectionAndBoundsTheNorm) {
  ParameterStore store = make_store(at::kDouble);
  fill_gradient(store, 1);
  const at::Tensor before = store.flat_grad().clone();
  const double norm = gradient_norm({&store});
  clip_gradient_({&store}, norm, norm / 4);
  EXPECT_TRUE(at::allclose(store.flat_grad(), before / 4, 1e-12));
  clip_gradient_({&store}, norm / 4, norm);  // already shorter
  EXPECT_NEAR(gradient_norm({&store}), norm / 4, 1e-12);
  clip_gradient_({&store}, norm / 4, 0);  // no limit
  EXPECT_NEAR(gradient_norm({&store}), norm / 4, 1e-12);
}

}  // namespace
}  // namespace bt
