#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <torch/csrc/autograd/custom_function.h>

#include "attention_backends.h"
#include "bt/ops/ops.h"

namespace bt::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// LibTorch's memory-efficient attention, its gradient the same in every run.
class EfficientAttention : public torch::autograd::Function<EfficientAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& bias) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto [out, lse, seed, offset] =
        at::_scaled_dot_product_efficient_attention(q, k, v, bias, /*compute_log_sumexp=*/true, kNoDropout);
    context->save_for_backward({q, k, v, bias, out, lse, seed, offset});
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grad) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &bias = saved[3], &out = saved[4], &lse = saved[5],
               &seed = saved[6], &offset = saved[7];
    const Deterministic in_every_run;
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [d_q, d_k, d_v, none] = at::_scaled_dot_product_efficient_attention_backward(
        grad[0], q, k, v, bias, out, lse, seed, offset, kNoDropout, {true, true, true, false});
    return {d_q, d_k, d_v, {}};
  }
};

// The bias for all heads, rows a multiple of 16 numbers apart, as the kernel wants them.
at::Tensor aligned(const at::Tensor& bias_BHST, const at::Tensor& q_BHSD) {
  const int64_t rows = bias_BHST.size(3), rest = (16 - rows % 16) % 16;
  const at::Tensor padded =
      rest == 0 ? bias_BHST.contiguous() : at::constant_pad_nd(bias_BHST, {0, rest}).narrow(3, 0, rows);
  return padded.expand({q_BHSD.size(0), q_BHSD.size(1), q_BHSD.size(2), rows});
}

}  // namespace

at::Tensor biased_attention(const at::Tensor& q_BHSD, const at::Tensor& k_BHTD, const at::Tensor& v_BHTD,
                            const at::Tensor& bias_BHST) {
  if (!q_BHSD.is_cuda()) return at::scaled_dot_product_attention(q_BHSD, k_BHTD, v_BHTD, bias_BHST);
  const WithoutCudnn one_plan;
  const at::Tensor bias = aligned(bias_BHST, q_BHSD);
  const bool efficient =
      at::_fused_sdp_choice(q_BHSD, k_BHTD, v_BHTD, bias) == static_cast<int64_t>(at::SDPBackend::efficient_attention);
  return efficient ? EfficientAttention::apply(q_BHSD, k_BHTD, v_BHTD, bias)
                   : at::scaled_dot_product_attention(q_BHSD, k_BHTD, v_BHTD, bias);
}

}  // namespace bt::ops
