#include <torch/library.h>

#include "bt/ops/layer_ops.h"
#include "bt/ops/reference.h"

namespace bt::ops {

at::Tensor activated(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
  }
  return {};
}

namespace {

at::Tensor activated_backward(Activation activation, const at::Tensor& d_out, const at::Tensor& x) {
  switch (activation) {
    case Activation::silu:
      return at::silu_backward(d_out, x);
    case Activation::gelu:
      return at::gelu_backward(d_out, x);
    case Activation::gelu_tanh:
      return at::gelu_backward(d_out, x, "tanh");
  }
  return {};
}

}  // namespace

at::Tensor reference::gated_activation(const at::Tensor& gate, const at::Tensor& up, std::string_view activation) {
  return activated(activation_of(activation), gate) * up;
}

std::tuple<at::Tensor, at::Tensor> reference::gated_activation_backward(const at::Tensor& d_out, const at::Tensor& gate,
                                                                        const at::Tensor& up, std::string_view name) {
  const Activation activation = activation_of(name);
  return {activated_backward(activation, d_out * up, gate), d_out * activated(activation, gate)};
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("gated_activation", reference::gated_activation);
  m.impl("gated_activation_backward", reference::gated_activation_backward);
}

}  // namespace bt::ops
