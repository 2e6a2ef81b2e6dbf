#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bt/runtime/device_plan.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Every token has one slot that is its own, so the gradient takes rows, too. That of index_select would add up the
// padding's as well, zeros, all of them into token 0.
struct TakeTokens : torch::autograd::Function<TakeTokens> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_nHD, const at::Tensor& token_BS,
                            const at::Tensor& slot_n) {
    context->save_for_backward({slot_n});
    return x_nHD.index_select(0, token_BS.flatten())
        .view({token_BS.size(0), token_BS.size(1), x_nHD.size(1), x_nHD.size(2)});
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {gradients[0].flatten(0, 1).index_select(0, context->get_saved_variables()[0]), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor padded(const at::Tensor& x_nHD, const DepthPlan& depth) {
  if (depth.width == 0) return x_nHD.new_zeros({depth.sequences, 0, x_nHD.size(1), x_nHD.size(2)});
  return TakeTokens::apply(x_nHD, depth.token_BS, depth.slot_n);
}

}  // namespace bt
