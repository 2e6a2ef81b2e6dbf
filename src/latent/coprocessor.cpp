#include "bt/latent/coprocessor.h"

#include <ATen/ATen.h>

#include "bt/ops/dense_attention.h"

namespace bt {

Coprocessor::Coprocessor(const Decoder& backbone, int64_t count, c10::TensorOptions options, uint64_t seed)
    : count_(count),
      weights_(make_backbone(backbone.config, options, seed, /*trainable=*/true)),
      soft_({{.name = "soft_tokens", .shape = {count, backbone.config.hidden_size}, .value = 0.02, .decay = false},
             {.name = "latent_scale", .shape = {1}, .init = ParameterInfo::Init::ones, .decay = false}},
            options) {
  at::NoGradGuard no_grad;
  soft_.initialise(seed);
  soft_.leaf("latent_scale").copy_(backbone.embedding.detach().square().mean().sqrt() * embedding_scale(backbone));
  copy_layers_(weights_.decoder, backbone);
}

at::Tensor Coprocessor::latents_BMK(const PrefixCache& prefix, const at::Tensor& end_B) const {
  const Decoder& decoder = weights_.decoder;
  const int64_t branches = end_B.size(0), rows = prefix.position_T.size(0);
  const at::Tensor branch_N = at::arange(branches, end_B.options()).repeat_interleave(count_);
  const at::Tensor place_N = at::arange(count_, end_B.options()).repeat({branches});
  const at::Tensor end_N = end_B.index_select(0, branch_N);
  const at::Tensor position_N = prefix.position_T.index_select(0, end_N - 1) + 1 + place_N;
  const Rotary angles = rotary(decoder.config, position_N, decoder.embedding.scalar_type());
  const at::Tensor in_prefix_NT = at::arange(rows, end_B.options()).unsqueeze(0) < end_N.unsqueeze(1);
  const at::Tensor own_NN =
      (branch_N.unsqueeze(1) == branch_N.unsqueeze(0)).logical_and(place_N.unsqueeze(0) <= place_N.unsqueeze(1));
  const at::Tensor position_T = at::cat({prefix.position_T, position_N});
  at::Tensor x_NC = soft_.leaf("soft_tokens").index_select(0, place_N);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    at::Tensor visible_NT = at::cat({in_prefix_NT, own_NN}, 1);
    if (spec.window > 0)
      visible_NT = visible_NT.logical_and(position_N.unsqueeze(1) - position_T.unsqueeze(0) < spec.window);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    const size_t l = static_cast<size_t>(layer);
    const at::Tensor out_NHD = ops::dense_attention(qkv.q_NHD, at::cat({prefix.k_TGD[l], qkv.k_NGD}),
                                                    at::cat({prefix.v_TGD[l], qkv.v_NGD}), visible_NT, spec);
    x_NC = finish_layer(decoder, layer, x_NC, out_NHD);
  }
  return (soft_.leaf("latent_scale") * final_hidden(decoder, x_NC)).view({branches, count_, -1});
}

}  // namespace bt
