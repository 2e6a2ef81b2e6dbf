// Methods inside the training engine: identities and gradients.
#include "bt/runtime/teacher_forced.h"
#include "latent/latent_test_support.h"

namespace bt {
namespace {

using testing::greatest;
using testing::tiny_method;

class InTraining : public ::testing::TestWithParam<std::string> {
 protected:
  DevicePlan plan(uint64_t seed = 3) const {
    return to_device(make_plan(testing::random_batch(seed), testing::tiny_table(), {}, {testing::kEos}), at::kCPU);
  }
  at::Tensor logits(const Method* method, Order order = Order::layer_major) const {
    return teacher_forced(backbone_.decoder, method, plan_, {.order = order, .keep_logits = true}).logits_MV;
  }

  Backbone backbone_ = testing::tiny_backbone(testing::tiny_config(), false);
  DevicePlan plan_ = plan();
};

TEST_P(InTraining, EveryParameterHasAGradient) {
  const auto method = tiny_method(GetParam());
  testing::perturb(*method);
  teacher_forced(backbone_.decoder, method.get(), plan_, {}).loss.backward();
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
                         ::testing::Values("bt", "recent_only", "constant_rewrite", "lora", "steer"),
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
