// Attention of packed queries under an explicit mask: the plain form that structured masks are tested against.
#pragma once

#include <ATen/core/Tensor.h>

#include "bt/ops/attention_spec.h"

namespace bt::ops {

// q_NHD over k_TGD, v_TGD; visible_NT bool, at least one row per query. The spec's window is the caller's to put into
// the mask. Memory: N * H * T scores. Differentiable.
at::Tensor dense_attention(const at::Tensor& q_NHD, const at::Tensor& k_TGD, const at::Tensor& v_TGD,
                           const at::Tensor& visible_NT, const AttentionSpec& spec);

}  // namespace bt::ops
