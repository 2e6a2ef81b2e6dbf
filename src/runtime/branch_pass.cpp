#include "bt/runtime/branch_pass.h"

#include <ATen/ATen.h>

#include "bt/core/error.h"
#include "bt/ops/dense_attention.h"

namespace bt {
namespace {

at::Tensor windowed(const at::Tensor& visible_NT, const at::Tensor& position_N, const at::Tensor& position_T,
                    int64_t window) {
  if (window == 0) return visible_NT;
  return visible_NT.logical_and(position_N.unsqueeze(1) - position_T.unsqueeze(0) < window);
}

// The frozen decoder's cache of the whole text: every branch reads a prefix of it.
PrefixCache cache_of(const Decoder& decoder, const at::Tensor& id_T) {
  PrefixCache cache;
  cache.position_T = at::arange(id_T.size(0), id_T.options());
  const Rotary angles = rotary(decoder.config, cache.position_T, decoder.embedding.scalar_type());
  const at::Tensor causal_TT = cache.position_T.unsqueeze(0) <= cache.position_T.unsqueeze(1);
  at::Tensor x_TC = embed(decoder, id_T);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    const Qkv qkv = project_qkv(decoder, layer, x_TC, angles);
    cache.k_TGD.push_back(qkv.k_NGD);
    cache.v_TGD.push_back(qkv.v_NGD);
    const at::Tensor visible = windowed(causal_TT, cache.position_T, cache.position_T, spec.window);
    x_TC = finish_layer(decoder, layer, x_TC, ops::dense_attention(qkv.q_NHD, qkv.k_NGD, qkv.v_NGD, visible, spec));
  }
  return cache;
}

}  // namespace

at::Tensor branch_losses(const Decoder& decoder, const Append& append, const std::vector<int32_t>& ids,
                         const BranchSpec& spec) {
  const at::Tensor id_T = at::tensor(at::ArrayRef<int32_t>(ids)).to(decoder.embedding.device(), at::kLong);
  const int64_t tokens = id_T.size(0), branches = static_cast<int64_t>(spec.ends.size());
  for (const int64_t end : spec.ends) BT_ASSERT(end >= 1 && end + spec.ahead <= tokens);
  const at::Tensor end_B = at::tensor(at::ArrayRef<int64_t>(spec.ends), at::kLong).to(id_T.device());
  PrefixCache prefix;
  {
    at::NoGradGuard frozen;
    prefix = cache_of(decoder, id_T);
  }
  const at::Tensor latents_BMK = append.latents_BMK(prefix, end_B);
  const int64_t latents = append.count(), length = latents + spec.ahead;
  const at::Tensor ahead_BA = end_B.unsqueeze(1) + at::arange(spec.ahead, end_B.options());
  const at::Tensor ahead_id_BA = id_T.index_select(0, ahead_BA.flatten()).view(ahead_BA.sizes());
  at::Tensor x_NC = at::cat({latents_BMK, embed(decoder, ahead_id_BA)}, 1).flatten(0, 1);

  const at::Tensor branch_N = at::arange(branches, end_B.options()).repeat_interleave(length);
  const at::Tensor place_N = at::arange(length, end_B.options()).repeat({branches});
  const at::Tensor end_N = end_B.index_select(0, branch_N), position_N = end_N + place_N;
  const at::Tensor position_T = at::cat({prefix.position_T, position_N});
  const at::Tensor own_NN =
      (branch_N.unsqueeze(1) == branch_N.unsqueeze(0)).logical_and(place_N.unsqueeze(0) <= place_N.unsqueeze(1));
  const at::Tensor visible_NT = at::cat({prefix.position_T.unsqueeze(0) < end_N.unsqueeze(1), own_NN}, 1);
  const Rotary angles = rotary(decoder.config, position_N, decoder.embedding.scalar_type());
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec attention = decoder.attention(layer);
    const size_t l = static_cast<size_t>(layer);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    const at::Tensor out_NHD =
        ops::dense_attention(qkv.q_NHD, at::cat({prefix.k_TGD[l], qkv.k_NGD}), at::cat({prefix.v_TGD[l], qkv.v_NGD}),
                             windowed(visible_NT, position_N, position_T, attention.window), attention);
    x_NC = finish_layer(decoder, layer, x_NC, out_NHD);
  }
  const at::Tensor predicting_BAC = x_NC.view({branches, length, -1}).narrow(1, latents - 1, spec.ahead);
  const at::Tensor log_p_BAV = logits(decoder, final_hidden(decoder, predicting_BAC.flatten(0, 1)))
                                   .log_softmax(1)
                                   .view({branches, spec.ahead, -1});
  return log_p_BAV.gather(2, ahead_id_BA.unsqueeze(2)).squeeze(2).neg();
}

}  // namespace bt
