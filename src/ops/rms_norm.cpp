#include <torch/library.h>

#include "bt/ops/reference.h"

namespace bt::ops {
namespace {

// At least fp32, in which the norm is computed.
at::Tensor widen(const at::Tensor& x) { return x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat); }

// The factor that x / rms(x) is multiplied by: rounded to x's type with it, or in fp32 where rounding comes last.
at::Tensor factor(const at::Tensor& x, const at::Tensor& weight, double weight_offset, bool rounds_last) {
  const at::Tensor wide = rounds_last ? widen(weight) : weight.to(x.scalar_type());
  return weight_offset == 0 ? wide : wide + weight_offset;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> reference::rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                                                       double weight_offset, bool rounds_last) {
  const at::Tensor wide = widen(x);
  const at::Tensor length = at::linalg_vector_norm(wide, 2, {-1}, /*keepdim=*/true);
  const at::Tensor scale = length.square_().div_(static_cast<double>(x.size(-1))).add_(eps).rsqrt_();
  const at::Tensor unit = wide * scale, by = factor(x, weight, weight_offset, rounds_last);
  return {rounds_last ? (unit * by).to(x.scalar_type()) : unit.to(x.scalar_type()).mul_(by), scale};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> reference::add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                                                       const at::Tensor& weight, double eps,
                                                                       double weight_offset, bool rounds_last) {
  const at::Tensor sum = x + residual;
  const auto [y, scale] = rms_norm(sum, weight, eps, weight_offset, rounds_last);
  return {sum, y, scale};
}

// With s = 1/rms(x) and gradient g of y = w x s: dx = s w g - x s^3 mean(w g x), dw = sum of g x s over rows.
std::tuple<at::Tensor, at::Tensor> reference::rms_norm_backward(const at::Tensor& dy,
                                                                const std::optional<at::Tensor>& d_sum,
                                                                const at::Tensor& narrow_x, const at::Tensor& weight,
                                                                const at::Tensor& scale, double weight_offset,
                                                                bool rounds_last, bool wants_dweight) {
  const at::Tensor x = widen(narrow_x), g = widen(dy), by = factor(narrow_x, weight, weight_offset, rounds_last);
  at::Tensor product = g * x, dweight;
  if (wants_dweight) dweight = (product * scale).flatten(0, -2).sum(0).to(weight.scalar_type());
  const at::Tensor sum = product.mul_(by).sum(-1, /*keepdim=*/true);
  const at::Tensor pull = sum.mul_(scale.pow(3)).div_(static_cast<double>(x.size(-1)));
  const at::Tensor dx = at::mul_out(product, g, by).mul_(scale).addcmul_(x, pull, -1).to(narrow_x.scalar_type());
  return {d_sum.has_value() ? dx + *d_sum : dx, dweight};
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("rms_norm", reference::rms_norm);
  m.impl("add_rms_norm", reference::add_rms_norm);
  m.impl("rms_norm_backward", reference::rms_norm_backward);
}

}  // namespace bt::ops
