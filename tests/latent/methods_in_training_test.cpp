// Methods inside the training engine: identities and gradients.
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "latent/latent_test_support.h"

namespace bt {
namespace {

using testing::greatest;
using testing::tiny_method;

class InTraining : public ::testing::TestWithParam<std::string> {
 protected:
  static DevicePlan plan(const Method* method) {
    return to_device(plan_for(method, testing::random_batch(3), testing::tiny_table(), {}, {testing::kEos}), at::kCPU);
  }
  at::Tensor logits(const Method* method, Order order = Order::layer_major) const {
    // Packed by the same cuts with and without the method, so that the logits' order is the same.
    const auto cuts = tiny_method("steer");
    const DevicePlan cut = plan(cuts.get());
    return teacher_forced(backbone_.decoder, method, cut, {.order = order, .keep_logits = true}).logits_MV;
  }

  Backbone backbone_ = testing::tiny_backbone(testing::tiny_config(), false);
};

TEST_P(InTraining, EveryParameterHasAGradient) {
  const auto method = tiny_method(GetParam());
  testing::perturb(*method);
  const DevicePlan cut = plan(method.get());
  teacher_forced(backbone_.decoder, method.get(), cut, {}).loss.backward();
  const ParameterStore& store = *method->parameters();
  for (const ParameterInfo& info : store.infos()) {
    for (int64_t layer = 0; layer < std::max<int64_t>(info.layers, 1); ++layer) {
      const at::Tensor gradient = store.leaf(info.name, layer).grad();
      EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << info.name;
      EXPECT_GT(greatest(gradient), 0) << info.name << ", layer " << layer;
    }
  }
}

TEST_P(InTraining, ChangesTheLogits) {
  const auto method = tiny_method(GetParam());
  testing::perturb(*method);
  EXPECT_GT(greatest(logits(method.get()) - logits(nullptr)), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Trained, InTraining,
                         ::testing::Values("bt", "recent_only", "append_rows", "constant_rewrite", "lora", "steer"),
                         [](const ::testing::TestParamInfo<std::string>& one) { return one.param; });

class Identity : public InTraining {};

TEST_P(Identity, LeavesTheLogitsUnchanged) {
  const auto method = tiny_method("bt");
  const bool no_output = GetParam() == "no_output";
  for (int64_t layer = 0; layer < 3; ++layer)
    method->parameters()->leaf(no_output ? "w_out" : "gate", layer).detach().fill_(no_output ? 0 : -1e9);
  for (const Order order : {Order::layer_major, Order::step_major}) {
    EXPECT_LE(greatest(logits(method.get(), order) - logits(nullptr, order)), 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, Identity, ::testing::Values("no_output", "closed_gates"),
                         [](const ::testing::TestParamInfo<std::string>& one) { return one.param; });

}  // namespace
}  // namespace bt
