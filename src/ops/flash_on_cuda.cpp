#include "flash_on_cuda.h"

#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <torch/csrc/autograd/custom_function.h>

#include "attention_backends.h"

namespace bt::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class FlashAttention : public torch::autograd::Function<FlashAttention> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               double scale) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto [out, lse, q_ends, k_ends, longest_q, longest_k, seed, offset, mask] =
        at::_scaled_dot_product_flash_attention(q, k, v, kNoDropout, /*is_causal=*/true, /*return_debug_mask=*/false,
                                                scale);
    context->save_for_backward({q, k, v, out, lse, q_ends, k_ends, seed, offset});
    context->saved_data["longest_q"] = longest_q.expect_int();
    context->saved_data["longest_k"] = longest_k.expect_int();
    context->saved_data["scale"] = scale;
    context->mark_non_differentiable({lse});
    return {out, lse};
  }

  static variable_list backward(AutogradContext* context, variable_list grad) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &lse = saved[4], &q_ends = saved[5],
               &k_ends = saved[6], &seed = saved[7], &offset = saved[8];
    const Deterministic in_every_run;
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [d_q, d_k, d_v] = at::_scaled_dot_product_flash_attention_backward(
        grad[0], q, k, v, out, lse, q_ends, k_ends, context->saved_data["longest_q"].toInt(),
        context->saved_data["longest_k"].toInt(), kNoDropout, /*is_causal=*/true, seed, offset,
        context->saved_data["scale"].toDouble());
    return {d_q, d_k, d_v, {}};
  }
};

}  // namespace

bool flash_on_cuda_takes(const at::Tensor& q_BHSD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, double scale) {
  if (!q_BHSD.is_cuda() || q_BHSD.size(3) % 8 != 0) return false;
  const WithoutCudnn flash_first;
  const bool is_grouped = q_BHSD.size(1) != k_BGTD.size(1);
  return at::_fused_sdp_choice(q_BHSD, k_BGTD, v_BGTD, std::nullopt, kNoDropout, /*is_causal=*/true, scale,
                               is_grouped) == static_cast<int64_t>(at::SDPBackend::flash_attention);
}

std::tuple<at::Tensor, at::Tensor> flash_on_cuda(const at::Tensor& q_BHSD, const at::Tensor& k_BGTD,
                                                 const at::Tensor& v_BGTD, double scale) {
  const variable_list out_lse = FlashAttention::apply(q_BHSD, k_BGTD, v_BGTD, scale);
  return {out_lse[0], out_lse[1]};
}

}  // namespace bt::ops
