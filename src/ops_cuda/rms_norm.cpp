#include "kernels/rms_norm.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"
#include "elementwise_tensors.h"

namespace bt::ops {
namespace {

bool fits(const at::Tensor& x, const at::Tensor& weight) {
  const auto type = element_of(x.scalar_type());
  return x.dim() > 0 && type && same_kind(x, weight) && weight.dim() == 1 && weight.size(0) == x.size(-1) &&
         kernels::rms_norm_takes(x.size(-1), *type);
}

int rows_of(const at::Tensor& x) { return as_int(x.numel() / x.size(-1), "the number of rows"); }

at::Tensor scales_for(const at::Tensor& x) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = 1;
  return at::empty(shape, x.options().dtype(at::kFloat));
}

// residual and sum may be undefined.
struct Rows {
  at::Tensor x, residual, sum, y, scale;
};

void launch(const Rows& rows, const at::Tensor& any_weight, double eps, double weight_offset, bool rounds_last) {
  const at::Tensor weight = contiguous_in_packs(any_weight);
  const bool adds = rows.residual.defined();
  const OnDeviceOf device(rows.x);
  kernels::rms_norm(
      {rows.x.const_data_ptr(), adds ? rows.residual.const_data_ptr() : nullptr, weight.const_data_ptr(),
       adds ? rows.sum.mutable_data_ptr() : nullptr, rows.y.mutable_data_ptr(), rows.scale.mutable_data_ptr<float>(),
       rows_of(rows.x), as_int(rows.x.size(-1), "the width"), static_cast<float>(eps),
       static_cast<float>(weight_offset), rounds_last, *element_of(rows.x.scalar_type())},
      device.stream());
  device.check();
}

std::tuple<at::Tensor, at::Tensor> rms_norm_cuda(const at::Tensor& any_x, const at::Tensor& weight, double eps,
                                                 double weight_offset, bool rounds_last) {
  if (!fits(any_x, weight)) return reference::rms_norm(any_x, weight, eps, weight_offset, rounds_last);
  const at::Tensor x = contiguous_in_packs(any_x);
  const Rows rows{x, {}, {}, at::empty(x.sizes(), x.options()), scales_for(x)};
  launch(rows, weight, eps, weight_offset, rounds_last);
  return {rows.y, rows.scale};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> add_rms_norm_cuda(const at::Tensor& any_x, const at::Tensor& residual,
                                                                 const at::Tensor& weight, double eps,
                                                                 double weight_offset, bool rounds_last) {
  if (!fits(any_x, weight) || !same_kind(any_x, residual) || residual.sizes() != any_x.sizes()) {
    return reference::add_rms_norm(any_x, residual, weight, eps, weight_offset, rounds_last);
  }
  const at::Tensor x = contiguous_in_packs(any_x);
  const Rows rows{x, contiguous_in_packs(residual), at::empty(x.sizes(), x.options()),
                  at::empty(x.sizes(), x.options()), scales_for(x)};
  launch(rows, weight, eps, weight_offset, rounds_last);
  return {rows.sum, rows.y, rows.scale};
}

std::tuple<at::Tensor, at::Tensor> rms_norm_backward_cuda(const at::Tensor& any_dy,
                                                          const std::optional<at::Tensor>& any_d_sum,
                                                          const at::Tensor& any_x, const at::Tensor& any_weight,
                                                          const at::Tensor& any_scale, double weight_offset,
                                                          bool rounds_last, bool wants_dweight) {
  const bool adds = any_d_sum.has_value() && any_d_sum->defined();
  if (!fits(any_x, any_weight) || !same_kind(any_x, any_dy) || (adds && !same_kind(any_x, *any_d_sum)) ||
      any_scale.scalar_type() != at::kFloat) {
    return reference::rms_norm_backward(any_dy, any_d_sum, any_x, any_weight, any_scale, weight_offset, rounds_last,
                                        wants_dweight);
  }
  const at::Tensor x = contiguous_in_packs(any_x), weight = contiguous_in_packs(any_weight);
  const at::Tensor dy = contiguous_in_packs(any_dy), scale = any_scale.contiguous();
  const at::Tensor d_sum = adds ? contiguous_in_packs(*any_d_sum) : at::Tensor();
  const at::Tensor dx = at::empty(x.sizes(), x.options());
  const kernels::Element type = *element_of(x.scalar_type());
  const int rows = rows_of(x), width = as_int(x.size(-1), "the width");
  at::Tensor dweight, parts;
  if (wants_dweight) {
    dweight = at::empty({width}, x.options());
    parts = at::empty({kernels::rms_norm_parts(rows, width, type), width}, scale.options());
  }
  const OnDeviceOf device(x);
  kernels::rms_norm_backward(
      {x.const_data_ptr(), weight.const_data_ptr(), dy.const_data_ptr(), adds ? d_sum.const_data_ptr() : nullptr,
       scale.const_data_ptr<float>(), dx.mutable_data_ptr(), wants_dweight ? dweight.mutable_data_ptr() : nullptr,
       wants_dweight ? parts.mutable_data_ptr<float>() : nullptr, rows, width, static_cast<float>(weight_offset),
       rounds_last, type},
      device.stream());
  device.check();
  return {dx, dweight};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("rms_norm", rms_norm_cuda);
  m.impl("add_rms_norm", add_rms_norm_cuda);
  m.impl("rms_norm_backward", rms_norm_backward_cuda);
}

}  // namespace bt::ops
