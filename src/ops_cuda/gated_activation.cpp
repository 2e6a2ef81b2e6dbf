#include "kernels/gated_activation.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/layer_ops.h"
#include "bt/ops/reference.h"
#include "elementwise_tensors.h"

namespace bt::ops {
namespace {

kernels::GateActivation kernel_activation(std::string_view name) {
  switch (activation_of(name)) {
    case Activation::silu:
      return kernels::GateActivation::silu;
    case Activation::gelu:
      return kernels::GateActivation::gelu;
    case Activation::gelu_tanh:
      return kernels::GateActivation::gelu_tanh;
  }
  return {};
}

// [rows, F] in packs: a view where the rows are evenly apart, as in a half of [N, 2F], else a copy.
at::Tensor as_rows(const at::Tensor& x) { return in_packs(x.reshape({-1, x.size(-1)})); }

bool fits(const at::Tensor& gate, const at::Tensor& up) {
  const auto type = element_of(gate.scalar_type());
  return type && gate.numel() > 0 && same_kind(gate, up) && gate.sizes() == up.sizes() && gate.dim() > 0 &&
         kernels::gated_activation_takes(gate.numel() / gate.size(-1), gate.size(-1), *type);
}

at::Tensor gated_activation_cuda(const at::Tensor& any_gate, const at::Tensor& any_up, std::string_view activation) {
  if (!fits(any_gate, any_up)) return reference::gated_activation(any_gate, any_up, activation);
  const at::Tensor gate = as_rows(any_gate), up = as_rows(any_up);
  const at::Tensor out = at::empty(any_gate.sizes(), any_gate.options());
  const int width = as_int(gate.size(1), "the width");
  const OnDeviceOf device(gate);
  kernels::gated_activation({gate.const_data_ptr(), up.const_data_ptr(), out.mutable_data_ptr(), gate.stride(0),
                             up.stride(0), width, as_int(gate.size(0), "the number of rows"), width,
                             kernel_activation(activation), *element_of(gate.scalar_type())},
                            device.stream());
  device.check();
  return out;
}

std::tuple<at::Tensor, at::Tensor> gated_activation_backward_cuda(const at::Tensor& any_d_out,
                                                                  const at::Tensor& any_gate, const at::Tensor& any_up,
                                                                  std::string_view activation) {
  if (!fits(any_gate, any_up) || !same_kind(any_gate, any_d_out) || any_d_out.sizes() != any_gate.sizes()) {
    return reference::gated_activation_backward(any_d_out, any_gate, any_up, activation);
  }
  const at::Tensor d_out = as_rows(any_d_out), gate = as_rows(any_gate), up = as_rows(any_up);
  const at::Tensor d_gate = at::empty(any_gate.sizes(), any_gate.options());
  const at::Tensor d_up = at::empty(any_gate.sizes(), any_gate.options());
  const int width = as_int(gate.size(1), "the width");
  const OnDeviceOf device(gate);
  kernels::gated_activation_backward(
      {d_out.const_data_ptr(), gate.const_data_ptr(), up.const_data_ptr(), d_gate.mutable_data_ptr(),
       d_up.mutable_data_ptr(), d_out.stride(0), gate.stride(0), up.stride(0), width, width,
       as_int(gate.size(0), "the number of rows"), width, kernel_activation(activation),
       *element_of(gate.scalar_type())},
      device.stream());
  device.check();
  return {d_gate, d_up};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("gated_activation", gated_activation_cuda);
  m.impl("gated_activation_backward", gated_activation_backward_cuda);
}

}  // namespace bt::ops
