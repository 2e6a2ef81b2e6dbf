// Rotary position embedding (arXiv 2104.09864), half-split layout, with the frequency scalings of Llama 3.1 and of
// linear position interpolation (arXiv 2306.15595).
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>

#include "bt/core/error.h"
#include "bt/model/decoder.h"

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

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  at::Tensor out = at::empty(x.sizes(), x.options());
  const std::vector<at::Tensor> from = x.chunk(2, -1), to = out.chunk(2, -1);
  at::Tensor first = to[0], second = to[1];
  at::mul_out(first, from[0], cos).addcmul_(from[1], sin, -1);
  at::mul_out(second, from[1], cos).addcmul_(from[0], sin);
  return out;
}

// The gradient of a rotation is the rotation back: one node, nothing of x is kept.
struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turn(x, cos, sin);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return {turn(gradients[0], saved[0], saved[1].neg()), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Rotary rotary(const ModelConfig& config, const at::Tensor& position_N, at::ScalarType dtype) {
  const at::Tensor frequency = frequencies(config).to(position_N.device());
  const at::Tensor angle = position_N.to(at::kDouble).unsqueeze(1) * frequency;
  return {angle.cos().to(dtype), angle.sin().to(dtype)};
}

at::Tensor rotate(const at::Tensor& x_NHD, const Rotary& rotary, bool inverse) {
  const at::Tensor sin = inverse ? rotary.sin.neg() : rotary.sin;
  return Rotate::apply(x_NHD, rotary.cos.unsqueeze(1), sin.unsqueeze(1));
}

}  // namespace bt
