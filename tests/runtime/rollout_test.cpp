// Latent rollout in the engine = one sequence at a time, run again from its first token for every latent.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "support/dense_attention.h"
#include "support/tiny.h"

namespace bt {
namespace {

// The decoder over embeddings alone, causal; after the last norm.
at::Tensor plain_hidden(const Decoder& decoder, at::Tensor x_NC) {
  const at::Tensor position_N = at::arange(x_NC.size(0), at::kLong);
  const Rotary angles = rotary(decoder.config, position_N, x_NC.scalar_type());
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    at::Tensor visible_NN = position_N.unsqueeze(0) <= position_N.unsqueeze(1);
    if (spec.window > 0)
      visible_NN = visible_NN.logical_and(position_N.unsqueeze(1) - position_N.unsqueeze(0) < spec.window);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    x_NC =
        finish_layer(decoder, layer, x_NC, testing::dense_attention(qkv.q_NHD, qkv.k_NGD, qkv.v_NGD, visible_NN, spec));
  }
  return final_hidden(decoder, x_NC);
}

class RolloutPass : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    ModelConfig config = testing::tiny_config();
    config.window = {0, GetParam(), 0};
    backbone_ = testing::tiny_backbone(config, true);
    RolloutOptions options;
    options.latents = 3;
    method_ = make_method("rollout", options, testing::tiny_context(config));
    method_->start_from(backbone_.decoder);
    trigger_ = {.kind = "newline"};  // several times in a text
    batch_ = testing::random_batch(11, {.sequences = 4, .longest_response = 12});
  }

  at::Tensor naive_loss() const {
    const Plan plan = make_plan(batch_, testing::tiny_table(), trigger_, {testing::kEos});
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (size_t s = 0; s < plan.sequences.size(); ++s) {
      const PlanSequence& text = plan.sequences[s];
      at::Tensor x_NC;
      for (const Segment& segment : plan.segments) {
        if (segment.sequence != static_cast<int32_t>(s)) continue;
        for (int64_t at = segment.begin; at < segment.end; ++at) {
          if (x_NC.defined() && plan.targets[static_cast<size_t>(at - 1)] >= 0 && at > text.begin)
            loss = loss + nll(x_NC, plan.ids[static_cast<size_t>(at)]);
          const at::Tensor own = embed(backbone_.decoder, at::full({1}, plan.ids[static_cast<size_t>(at)], at::kLong));
          x_NC = x_NC.defined() ? at::cat({x_NC, own}) : own;
        }
        if (segment.event < 0) continue;
        for (int64_t m = 0; m < 3; ++m) {
          const at::Tensor last = plain_hidden(backbone_.decoder, x_NC).slice(0, -1);
          x_NC = at::cat({x_NC, method_->parameters()->leaf("latent_scale") * last});
        }
      }
    }
    return loss;
  }

  at::Tensor nll(const at::Tensor& x_NC, int32_t id) const {
    return -logits(backbone_.decoder, plain_hidden(backbone_.decoder, x_NC).slice(0, -1)).log_softmax(1)[0][id];
  }

  std::vector<at::Tensor> gradients() {
    return {backbone_.parameters->flat_grad().clone(), method_->parameters()->flat_grad().clone()};
  }

  Backbone backbone_;
  std::unique_ptr<Method> method_;
  TriggerOptions trigger_;
  std::vector<Example> batch_;
};

TEST_P(RolloutPass, LossAndEveryGradientEqualOneSequenceAtATime) {
  const at::Tensor expected = naive_loss();
  expected.backward();
  const std::vector<at::Tensor> expected_gradients = gradients();
  backbone_.parameters->zero_grad();
  method_->parameters()->zero_grad();
  const DevicePlan plan =
      to_device(plan_for(method_.get(), batch_, testing::tiny_table(), trigger_, {testing::kEos}), at::kCPU);
  const at::Tensor loss = teacher_forced(backbone_.decoder, method_.get(), plan, {}).loss;
  EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-9 * expected.item<double>());
  loss.backward();
  const std::vector<at::Tensor> found = gradients();
  for (size_t i = 0; i < found.size(); ++i) {
    const double greatest = expected_gradients[i].abs().max().item<double>();
    EXPECT_GT(greatest, 0);
    EXPECT_LE((found[i] - expected_gradients[i]).abs().max().item<double>(), 1e-9 * greatest) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, RolloutPass, ::testing::Values(0, 5));

TEST(RolloutCurriculum, StagesDropStepsAndAddLatents) {
  RolloutOptions options;
  options.latents = 4;
  options.latents_per_step = 2;
  options.stage_steps = 10;
  const auto method = make_method("rollout", options, testing::tiny_context(testing::tiny_config()));
  using testing::kNewline;
  const Example example{.ids = {9, 10, 11, kNewline, 12, kNewline, 13},
                        .prompt_length = 2,
                        .supervised = {0, 0, 1, 1, 1, 1, 1},
                        .source = 3};
  const auto ids_at = [&](uint64_t step) {
    const TriggerOptions at_prompt_end{.kind = "none"};
    return training_plan_for(method.get(), {example}, testing::tiny_table(), at_prompt_end, {}, {0, step}).ids;
  };
  EXPECT_EQ(ids_at(0), example.ids);
  EXPECT_EQ(ids_at(9), example.ids);
  EXPECT_EQ(ids_at(10), (std::vector<int32_t>{9, 10, -1, -2, 12, kNewline, 13}));
  const std::vector<int32_t> last = {9, 10, -1, -2, -3, -4, 13};
  EXPECT_EQ(ids_at(20), last);
  EXPECT_EQ(ids_at(1000), last);
  EXPECT_EQ(ids_at(kValidationDraw), last);
}

}  // namespace
}  // namespace bt
