// LibTorch's flash attention for CUDA, its gradient the same in every run.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

namespace bt::ops {

// Whether its kernel takes these types, widths and this device (bf16 and fp16; widths that are multiples of 8).
bool flash_on_cuda_takes(const at::Tensor& q_BHSD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, double scale);

// Causal attention, S = T: output [B, H, S, D] and log-sum-exp [B, H, S], the latter without a gradient.
std::tuple<at::Tensor, at::Tensor> flash_on_cuda(const at::Tensor& q_BHSD, const at::Tensor& k_BGTD,
                                                 const at::Tensor& v_BGTD, double scale);

}  // namespace bt::ops
