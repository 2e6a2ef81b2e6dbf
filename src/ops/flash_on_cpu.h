// LibTorch's flash attention for the CPU, over grouped queries: [B, G, H/G * S, D] and a mask of its own for every
// query.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

#include "scores.h"

namespace bt::ops {

// The kernel takes fp32 and fp64 without a cap; half types it would round probabilities of.
inline bool flash_takes(const at::Tensor& q_BSHD, double softcap) {
  return q_BSHD.device().is_cpu() && softcap == 0 && accumulation_type(q_BSHD.scalar_type()) == q_BSHD.scalar_type();
}

// Output and log-sum-exp; neither means anything for a query that sees nothing.
std::tuple<at::Tensor, at::Tensor> flash_on_cpu(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD,
                                                const at::Tensor& v_BGTD, const at::Tensor& visible_BST, double scale);

// Gradients of q, k and v. lse_BSH: -inf for a query that sees nothing, whose gradient is zero.
std::tuple<at::Tensor, at::Tensor, at::Tensor> flash_on_cpu_backward(
    const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
    const at::Tensor& visible_BST, double scale, const at::Tensor& out_BSHD, const at::Tensor& lse_BSH);

}  // namespace bt::ops
