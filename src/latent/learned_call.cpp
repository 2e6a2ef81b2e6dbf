#include "learned_call.h"

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// x as it is, whose use also costs `price` for every unit of x: d loss / d x grows by the price.
struct Priced : torch::autograd::Function<Priced> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double price) {
    context->saved_data["price"] = price;
    return x.clone();
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {gradients[0] + context->saved_data["price"].toDouble(), at::Tensor()};
  }
};

// The entry of the greatest position, [Y, E, C]; any where an event has none.
at::Tensor newest(const Events& events, const at::Tensor& u_YEWC, const at::Tensor& real_YEW) {
  const at::Tensor position_YEW = events.position_YEW.masked_fill(real_YEW.logical_not(), -1);
  const at::Tensor at_YE1C = position_YEW.argmax(2, /*keepdim=*/true).unsqueeze(3).expand({-1, -1, 1, u_YEWC.size(3)});
  return u_YEWC.gather(2, at_YE1C).squeeze(2);
}

}  // namespace

LearnedCall learned_call(const Events& events, const at::Tensor& u_YEWC, const at::Tensor& weight_YC,
                         const at::Tensor& bias_Y1, double cost) {
  const int64_t layers = u_YEWC.size(0), count = u_YEWC.size(1);
  if (u_YEWC.size(2) == 0) {
    const at::Tensor never_YE = at::zeros({layers, count}, u_YEWC.options());
    return {never_YE.view({layers, count, 1, 1}), never_YE};
  }
  const at::Tensor real_YEW = events.kind_YEW != static_cast<int64_t>(RowKind::pad);
  const at::Tensor read_YE = at::matmul(newest(events, u_YEWC, real_YEW), weight_YC.unsqueeze(2)).squeeze(2);
  const at::Tensor logit_YE = (read_YE + bias_Y1).to(at::toOpMathType(u_YEWC.scalar_type()));
  const bool training = events.call_weight > 0;
  const at::Tensor probability_YE = training ? at::sigmoid(logit_YE) : (logit_YE >= 0).to(logit_YE.scalar_type());
  at::Tensor factor_YE = probability_YE * real_YEW.any(2);
  const at::Tensor acting_YE = factor_YE.detach();
  if (training) factor_YE = Priced::apply(factor_YE, cost * events.call_weight);
  return {factor_YE.view({layers, count, 1, 1}), acting_YE};
}

}  // namespace bt
