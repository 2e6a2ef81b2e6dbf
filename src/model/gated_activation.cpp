#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bt/model/decoder.h"
#include "bt/ops/layer_ops.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One node, which keeps neither act(gate) nor its gradient.
struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            int64_t activation) {
    context->save_for_backward({gate, up});
    context->saved_data["activation"] = activation;
    return ops::gated_activation(static_cast<Activation>(activation), gate, up);
  }
  static variable_list backward(AutogradContext* context, const variable_list& d) {
    const variable_list saved = context->get_saved_variables();
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const auto [d_gate, d_up] = ops::gated_activation_backward(activation, d[0], saved[0], saved[1]);
    return {d_gate, d_up, at::Tensor()};
  }
};

}  // namespace

at::Tensor gated_activation(Activation activation, const at::Tensor& gate, const at::Tensor& up) {
  if (gate.is_cuda()) return GatedActivation::apply(gate, up, static_cast<int64_t>(activation));
  return ops::activated(activation, gate) * up;
}

}  // namespace bt
