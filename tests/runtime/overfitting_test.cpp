// One batch, a few dozen plain Adam steps: every trained method gets below the loss of its frozen backbone.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

std::unique_ptr<Method> small_method(const std::string& name, const ModelConfig& config) {
  auto options = make_method_options(name);
  if (auto* bt = dynamic_cast<BtOptions*>(options.get()))
    *static_cast<BtOptions*>(bt) = [&] {
      BtOptions small = testing::tiny_bt();
      if (name == "recent_only") small.rows.recall = 0;
      return small;
    }();
  if (auto* dca = dynamic_cast<DcaOptions*>(options.get())) {
    dca->latents = 4;
    dca->ahead = 24;
    dca->places = 8;
  }
  return make_method(name, *options, testing::tiny_context(config, at::kFloat));
}

// Adam (arXiv 1412.6980) on the store's flat buffer.
void adam_steps(ParameterStore& store, int64_t steps, const std::function<at::Tensor()>& loss) {
  constexpr double rate = 0.02, beta1 = 0.9, beta2 = 0.99;
  at::Tensor first = at::zeros_like(store.flat()), second = at::zeros_like(store.flat());
  for (int64_t step = 1; step <= steps; ++step) {
    store.zero_grad();
    loss().backward();
    const at::Tensor gradient = store.flat_grad();
    first.mul_(beta1).add_(gradient, 1 - beta1);
    second.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    const auto unbiased = [step](const at::Tensor& x, double beta) { return x / (1 - std::pow(beta, step)); };
    store.flat().sub_(rate * unbiased(first, beta1) / (unbiased(second, beta2).sqrt() + 1e-8));
  }
}

class Overfitting : public ::testing::TestWithParam<std::string> {};

TEST_P(Overfitting, GetsBelowTheFrozenBackbone) {
  const ModelConfig config = testing::tiny_config(2);
  const Backbone backbone = testing::tiny_backbone(config, false, at::kFloat);
  const auto method = small_method(GetParam(), config);
  method->start_from(backbone.decoder);
  const DevicePlan plan = to_device(training_plan_for(method.get(), testing::random_batch(3, {.sequences = 3}),
                                                      testing::tiny_table(), {}, {testing::kEos}, {}),
                                    at::kCPU);
  const auto loss_with = [&](const Method* which) {
    return teacher_forced(backbone.decoder, which, plan, {.loss_scale = 0.05}).loss;
  };
  const double base = loss_with(nullptr).item<double>();
  adam_steps(*method->parameters(), 40, [&] { return loss_with(method.get()); });
  EXPECT_LT(loss_with(method.get()).item<double>(), 0.98 * base);
}

INSTANTIATE_TEST_SUITE_P(Methods, Overfitting,
                         ::testing::Values("bt", "recent_only", "constant_rewrite", "lora", "steer", "dca",
                                           "append_rows"),
                         [](const ::testing::TestParamInfo<std::string>& one) { return one.param; });

}  // namespace
}  // namespace bt
