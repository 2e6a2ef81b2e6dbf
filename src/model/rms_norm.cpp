#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bt/model/decoder.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// At least fp32, in which the norm is computed.
at::Tensor widen(const at::Tensor& x) { return x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat); }

// One node instead of autograd's chain: two to three times faster forward and backward on CPU. With s = 1/rms(x) and
// gradient g of y = w x s: dx = s w g - x s^3 mean(w g x).
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double eps) {
    const at::Tensor wide = widen(x);
    const at::Tensor norm = at::linalg_vector_norm(wide, 2, {-1}, /*keepdim=*/true);
    const at::Tensor scale = norm.square_().div_(static_cast<double>(x.size(-1))).add_(eps).rsqrt_();
    context->save_for_backward({x, weight, scale});
    return (wide * scale).to(x.scalar_type()).mul_(weight);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &weight = saved[1], &scale = saved[2];
    const at::Tensor x = widen(saved[0]), g = widen(gradients[0]);
    at::Tensor product = g * x, dweight;
    if (context->needs_input_grad(1)) dweight = (product * scale).flatten(0, -2).sum(0).to(weight.scalar_type());
    const at::Tensor sum = product.mul_(weight).sum(-1, /*keepdim=*/true);
    const at::Tensor pull = sum.mul_(scale.pow(3)).div_(static_cast<double>(x.size(-1)));
    const at::Tensor dx = at::mul_out(product, g, weight).mul_(scale).addcmul_(x, pull, -1);
    return {dx.to(saved[0].scalar_type()), dweight, at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return RmsNorm::apply(x, weight, eps);
}

}  // namespace bt
