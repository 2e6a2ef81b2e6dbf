// Attention of packed queries under an explicit mask: the plain form that structured masks are tested against.
#pragma once

#include <ATen/ATen.h>

#include "bt/ops/attention_spec.h"

namespace bt::testing {

// q_NHD over k_TGD, v_TGD; visible_NT bool, at least one row per query, the spec's window already in it.
// Differentiable.
inline at::Tensor dense_attention(const at::Tensor& q_NHD, const at::Tensor& k_TGD, const at::Tensor& v_TGD,
                                  const at::Tensor& visible_NT, const AttentionSpec& spec) {
  const int64_t share = q_NHD.size(1) / k_TGD.size(1);
  const at::Tensor k_HDT = k_TGD.repeat_interleave(share, 1).permute({1, 2, 0}),
                   v_HTD = v_TGD.repeat_interleave(share, 1).transpose(0, 1);
  at::Tensor scores_HNT = spec.scale * at::bmm(q_NHD.transpose(0, 1), k_HDT);
  if (spec.softcap > 0) scores_HNT = spec.softcap * at::tanh(scores_HNT / spec.softcap);
  const at::Tensor p_HNT = scores_HNT.masked_fill(visible_NT.logical_not(), -1e30).softmax(-1);
  return at::bmm(p_HNT, v_HTD).transpose(0, 1);
}

}  // namespace bt::testing
