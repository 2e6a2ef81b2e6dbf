// One pass over all branches = one plain sequence per branch.
#include "bt/runtime/branch_pass.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/latent/coprocessor.h"
#include "bt/ops/dense_attention.h"
#include "support/tiny.h"

namespace bt {
namespace {

// The decoder over a plain sequence of embeddings, causal.
at::Tensor plain_logits(const Decoder& decoder, at::Tensor x_NC) {
  const at::Tensor position = at::arange(x_NC.size(0), at::kLong);
  const Rotary angles = rotary(decoder.config, position, x_NC.scalar_type());
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    at::Tensor visible = position.unsqueeze(0) <= position.unsqueeze(1);
    if (spec.window > 0) visible = visible.logical_and(position.unsqueeze(1) - position.unsqueeze(0) < spec.window);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    x_NC = finish_layer(decoder, layer, x_NC, ops::dense_attention(qkv.q_NHD, qkv.k_NGD, qkv.v_NGD, visible, spec));
  }
  return logits(decoder, final_hidden(decoder, x_NC)).log_softmax(1);
}

at::Tensor ids_of(const std::vector<int32_t>& ids, int64_t begin, int64_t end) {
  return at::tensor(at::ArrayRef<int32_t>(ids)).to(at::kLong).slice(0, begin, end);
}

class Branches : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    ModelConfig config = testing::tiny_config();
    config.window = {0, GetParam(), GetParam()};
    backbone_ = testing::tiny_backbone(config, false);
    coprocessor_ = std::make_unique<Coprocessor>(backbone_.decoder, 3, c10::TensorOptions(at::kDouble), 9);
    for (int32_t i = 0; i < 15; ++i) ids_.push_back(9 + (i * 5) % 13);
  }

  Backbone backbone_;
  std::unique_ptr<Coprocessor> coprocessor_;
  std::vector<int32_t> ids_;
  BranchSpec spec_{.ends = {1, 4, 5, 11}, .ahead = 4};  // overlapping, and at both ends of the text
};

TEST_P(Branches, OnePassEqualsOneSequencePerBranch) {
  const at::Tensor together = branch_losses(backbone_.decoder, *coprocessor_, ids_, spec_);
  for (size_t b = 0; b < spec_.ends.size(); ++b) {
    const int64_t end = spec_.ends[b];
    // The coprocessor reads exactly the cache of the prefix alone.
    PrefixCache prefix;
    prefix.position_T = at::arange(end, at::kLong);
    at::Tensor x = embed(backbone_.decoder, ids_of(ids_, 0, end));
    const Rotary angles = rotary(backbone_.decoder.config, prefix.position_T, at::kDouble);
    for (int64_t layer = 0; layer < backbone_.decoder.config.layers; ++layer) {
      const AttentionSpec spec = backbone_.decoder.attention(layer);
      at::Tensor visible = prefix.position_T.unsqueeze(0) <= prefix.position_T.unsqueeze(1);
      if (spec.window > 0)
        visible = visible.logical_and(prefix.position_T.unsqueeze(1) - prefix.position_T.unsqueeze(0) < spec.window);
      const Qkv qkv = project_qkv(backbone_.decoder, layer, x, angles);
      prefix.k_TGD.push_back(qkv.k_NGD);
      prefix.v_TGD.push_back(qkv.v_NGD);
      x = finish_layer(backbone_.decoder, layer, x,
                       ops::dense_attention(qkv.q_NHD, qkv.k_NGD, qkv.v_NGD, visible, spec));
    }
    const at::Tensor latents = coprocessor_->latents_BMK(prefix, at::full({1}, end, at::kLong))[0];
    const at::Tensor sequence = at::cat({embed(backbone_.decoder, ids_of(ids_, 0, end)), latents,
                                         embed(backbone_.decoder, ids_of(ids_, end, end + 4))});
    const at::Tensor log_p = plain_logits(backbone_.decoder, sequence);
    for (int64_t a = 0; a < spec_.ahead; ++a) {
      const double expected = -log_p[end + 3 - 1 + a][ids_[static_cast<size_t>(end + a)]].item<double>();
      EXPECT_NEAR(together[static_cast<int64_t>(b)][a].item<double>(), expected, 1e-9)
          << "branch " << b << ", ahead " << a;
    }
  }
}

TEST_P(Branches, GradientReachesCoprocessorSoftTokensAndScaleOnly) {
  branch_losses(backbone_.decoder, *coprocessor_, ids_, spec_).sum().backward();
  EXPECT_GT(coprocessor_->soft_tokens().leaf("soft_tokens").grad().abs().min().item<double>(), 0);
  EXPECT_NE(coprocessor_->soft_tokens().leaf("latent_scale").grad().item<double>(), 0);
  for (const char* name :
       {"model.layers.0.self_attn.q_proj.weight", "model.layers.2.mlp.down_proj.weight", "model.norm.weight"}) {
    EXPECT_GT(coprocessor_->parameters()->leaf(name).grad().abs().sum().item<double>(), 0) << name;
  }
  EXPECT_FALSE(backbone_.decoder.embedding.requires_grad());
}

INSTANTIATE_TEST_SUITE_P(Windows, Branches, ::testing::Values(0, 6));

}  // namespace
}  // namespace bt
