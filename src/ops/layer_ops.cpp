// C++ entry points of the layer's operators, through the dispatcher as those of ops.cpp.
#include "bt/ops/layer_ops.h"

#include "find_operator.h"

namespace bt::ops {
namespace {

using at::Tensor;

std::string_view name_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return "silu";
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_tanh:
      return "gelu_tanh";
  }
  return {};
}

}  // namespace

Activation activation_of(std::string_view name) {
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh}) {
    if (name == name_of(activation)) return activation;
  }
  TORCH_CHECK_VALUE(false, "unknown activation `", name, "`: silu, gelu or gelu_tanh");
}

Normed rms_norm(const Tensor& x, const Tensor& weight, const NormConfig& norm) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, double, double, bool)>("bt::rms_norm");
  at::NoGradGuard no_grad;
  auto [y, scale] = op.call(x, weight, norm.eps, norm.weight_offset, norm.rounds_last);
  return {y, scale};
}

SumNormed add_rms_norm(const Tensor& x, const Tensor& residual, const Tensor& weight, const NormConfig& norm) {
  static const auto op =
      find<std::tuple<Tensor, Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, double, double, bool)>(
          "bt::add_rms_norm");
  at::NoGradGuard no_grad;
  auto [sum, y, scale] = op.call(x, residual, weight, norm.eps, norm.weight_offset, norm.rounds_last);
  return {sum, {y, scale}};
}

NormGradients rms_norm_backward(const Tensor& dy, const Tensor& d_sum, const Tensor& x, const Tensor& weight,
                                const Tensor& scale, const NormConfig& norm, bool wants_dweight) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, const std::optional<Tensor>&, const Tensor&, const Tensor&,
                                      const Tensor&, double, bool, bool)>("bt::rms_norm_backward");
  at::NoGradGuard no_grad;
  auto [dx, dweight] =
      op.call(dy, optional(d_sum), x, weight, scale, norm.weight_offset, norm.rounds_last, wants_dweight);
  return {dx, dweight};
}

Tensor rotate(const Tensor& x_NHD, const Tensor& cos, const Tensor& sin, int64_t sign) {
  static const auto op = find<Tensor(const Tensor&, const Tensor&, const Tensor&, int64_t)>("bt::rotate");
  at::NoGradGuard no_grad;
  return op.call(x_NHD, cos, sin, sign);
}

std::pair<Tensor, Tensor> rotate_both(const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& cos, const Tensor& sin,
                                      int64_t sign) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t)>(
          "bt::rotate_both");
  at::NoGradGuard no_grad;
  auto [q, k] = op.call(q_NHD, k_NGD, cos, sin, sign);
  return {q, k};
}

Tensor rotate_into_(const KvView& cache, const Tensor& slot_N, const Tensor& row_N, const Tensor& q_NHD,
                    const Tensor& k_NGD, const Tensor& v_NGD, const Tensor& cos, const Tensor& sin) {
  static const auto op = find<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                     const Tensor&, const Tensor&, const Tensor&, const Tensor&)>("bt::rotate_into_");
  at::NoGradGuard no_grad;
  return op.call(cache.k_BGTD, cache.v_BGTD, slot_N, row_N, q_NHD, k_NGD, v_NGD, cos, sin);
}

Tensor gated_activation(Activation activation, const Tensor& gate, const Tensor& up) {
  static const auto op = find<Tensor(const Tensor&, const Tensor&, std::string_view)>("bt::gated_activation");
  at::NoGradGuard no_grad;
  return op.call(gate, up, name_of(activation));
}

std::pair<Tensor, Tensor> gated_activation_backward(Activation activation, const Tensor& d_out, const Tensor& gate,
                                                    const Tensor& up) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, std::string_view)>(
          "bt::gated_activation_backward");
  at::NoGradGuard no_grad;
  auto [d_gate, d_up] = op.call(d_out, gate, up, name_of(activation));
  return {d_gate, d_up};
}

}  // namespace bt::ops
