// Rotary position embedding (arXiv 2104.09864), half-split layout, with the frequency scalings of Llama 3.1 and of
// linear position interpolation (arXiv 2306.15595).
#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>

#include "bt/core/error.h"
#include "bt/model/decoder.h"
#include "row_loops.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Llama 3.1: long wavelengths are divided by `factor`, short ones stay, those between are interpolated.
double llama3_frequency(const RopeConfig& rope, double frequency) {
  const double context = static_cast<double>(rope.original_max_position);
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < context / rope.high_freq_factor) return frequency;
  if (wavelength > context / rope.low_freq_factor) return frequency / rope.factor;
  const double smooth = (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - smooth) * frequency / rope.factor + smooth * frequency;
}

double scaled_frequency(const RopeConfig& rope, double frequency) {
  if (rope.type == "llama3") return llama3_frequency(rope, frequency);
  if (rope.type == "linear") return frequency / rope.factor;
  BT_ASSERT(rope.type == "default");
  return frequency;
}

at::Tensor frequencies(const ModelConfig& config) {
  const int64_t half = config.head_dim / 2;
  at::Tensor out = at::empty({half}, at::kDouble);
  double* values = out.mutable_data_ptr<double>();
  for (int64_t i = 0; i < half; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(config.head_dim);
    values[i] = scaled_frequency(config.rope, std::pow(config.rope.theta, -exponent));
  }
  return out;
}

at::Tensor turned_by_aten(const at::Tensor& x_NHD, const at::Tensor& cos_ND, const at::Tensor& sin_ND, int sign) {
  const at::Tensor cos = cos_ND.unsqueeze(1), sin = sin_ND.unsqueeze(1);
  at::Tensor out = at::empty(x_NHD.sizes(), x_NHD.options());
  const std::vector<at::Tensor> from = x_NHD.chunk(2, -1), to = out.chunk(2, -1);
  at::Tensor first = to[0], second = to[1];
  at::mul_out(first, from[0], cos).addcmul_(from[1], sin, -sign);
  at::mul_out(second, from[1], cos).addcmul_(from[0], sin, sign);
  return out;
}

at::Tensor turned_by_rows(const at::Tensor& any_x, const at::Tensor& any_cos, const at::Tensor& any_sin, int sign) {
  constexpr int64_t tokens_per_task = 64;
  const at::Tensor x = any_x.stride(2) == 1 ? any_x : any_x.contiguous(), cos = any_cos.contiguous(),
                   sin = any_sin.contiguous();
  at::Tensor out = at::empty(x.sizes(), x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rotate", [&] {
    const rows::Rotation<scalar_t> work{x.const_data_ptr<scalar_t>(),
                                        cos.const_data_ptr<scalar_t>(),
                                        sin.const_data_ptr<scalar_t>(),
                                        x.stride(0),
                                        x.stride(1),
                                        static_cast<scalar_t>(sign),
                                        out.mutable_data_ptr<scalar_t>(),
                                        x.size(1),
                                        cos.size(1)};
    at::parallel_for(0, x.size(0), tokens_per_task, [&](int64_t begin, int64_t end) { rows::run(work, begin, end); });
  });
  return out;
}

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int sign) {
  const bool wide = x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble;
  const bool by_rows = x.device().is_cpu() && wide && cos.scalar_type() == x.scalar_type();
  return by_rows ? turned_by_rows(x, cos, sin, sign) : turned_by_aten(x, cos, sin, sign);
}

// The gradient of a rotation is the rotation back: one node, nothing of x is kept.
struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NHD, const at::Tensor& cos_ND,
                            const at::Tensor& sin_ND, int64_t sign) {
    context->save_for_backward({cos_ND, sin_ND});
    context->saved_data["sign"] = sign;
    return turn(x_NHD, cos_ND, sin_ND, static_cast<int>(sign));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const int sign = static_cast<int>(context->saved_data["sign"].toInt());
    return {turn(gradients[0], saved[0], saved[1], -sign), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Rotary rotary(const ModelConfig& config, const at::Tensor& position_N, at::ScalarType dtype) {
  const at::Tensor frequency = frequencies(config).to(position_N.device());
  const at::Tensor angle = position_N.to(at::kDouble).unsqueeze(1) * frequency;
  return {angle.cos().to(dtype), angle.sin().to(dtype)};
}

at::Tensor rotate(const at::Tensor& x_NHD, const Rotary& rotary, bool inverse) {
  return Rotate::apply(x_NHD, rotary.cos, rotary.sin, inverse ? -1 : 1);
}

}  // namespace bt
