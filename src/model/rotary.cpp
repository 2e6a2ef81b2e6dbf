// Rotary position embedding (arXiv 2104.09864), half-split layout, with the frequency scalings of Llama 3.1 and of
// linear position interpolation (arXiv 2306.15595).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/model/decoder.h"
#include "bt/ops/layer_ops.h"
#include "row_loops.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Llama 3.1: long wavelengths are divided by `factor`, short ones stay, those between are interpolated.
at::Tensor llama3_frequencies(const RopeConfig& rope, const at::Tensor& frequency) {
  const double context = static_cast<double>(rope.original_max_position);
  const at::Tensor wavelength = 2 * std::numbers::pi / frequency;
  const at::Tensor smooth =
      (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor between = (1 - smooth) * frequency / rope.factor + smooth * frequency;
  const at::Tensor longer = at::where(wavelength > context / rope.low_freq_factor, frequency / rope.factor, between);
  return at::where(wavelength < context / rope.high_freq_factor, frequency, longer);
}

// [D/2] on the CPU, by the operations of transformers in their order, so that fp32 gives its very numbers.
at::Tensor frequencies(const ModelConfig& config, at::ScalarType type) {
  const at::Tensor exponent = at::arange(0, config.head_dim, 2, type) / static_cast<double>(config.head_dim);
  const at::Tensor frequency = 1 / at::pow(config.rope.theta, exponent);
  if (config.rope.type == "llama3") return llama3_frequencies(config.rope, frequency);
  if (config.rope.type == "linear") return frequency / config.rope.factor;
  BT_ASSERT(config.rope.type == "default" || config.rope.type == "dynamic");
  return frequency;
}

template <class T, class Stored>
at::Tensor turned_by_rows(const at::Tensor& any_x, const at::Tensor& any_cos, const at::Tensor& any_sin, int sign) {
  constexpr int64_t tokens_per_task = 64;
  const at::Tensor x = any_x.stride(2) == 1 ? any_x : any_x.contiguous(), cos = any_cos.contiguous(),
                   sin = any_sin.contiguous();
  at::Tensor out = at::empty(x.sizes(), x.options());
  const rows::Rotation<T> work{reinterpret_cast<const T*>(x.const_data_ptr<Stored>()),
                               reinterpret_cast<const T*>(cos.const_data_ptr<Stored>()),
                               reinterpret_cast<const T*>(sin.const_data_ptr<Stored>()),
                               x.stride(0),
                               x.stride(1),
                               static_cast<Wide<T>>(sign),
                               reinterpret_cast<T*>(out.mutable_data_ptr<Stored>()),
                               x.size(1),
                               cos.size(1)};
  at::parallel_for(0, x.size(0), tokens_per_task, [&](int64_t begin, int64_t end) { rows::run(work, begin, end); });
  return out;
}

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int sign) {
  if (!x.device().is_cpu() || cos.scalar_type() != x.scalar_type()) return ops::rotate(x, cos, sin, sign);
  switch (x.scalar_type()) {
    case at::kFloat:
      return turned_by_rows<float, float>(x, cos, sin, sign);
    case at::kDouble:
      return turned_by_rows<double, double>(x, cos, sin, sign);
    case at::kBFloat16:
      return turned_by_rows<BFloat16, c10::BFloat16>(x, cos, sin, sign);
    default:
      return ops::rotate(x, cos, sin, sign);
  }
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

// Queries and keys in one node, so that they are one launch.
struct RotateBoth : torch::autograd::Function<RotateBoth> {
  static variable_list forward(AutogradContext* context, const at::Tensor& q_NHD, const at::Tensor& k_NGD,
                               const at::Tensor& cos_ND, const at::Tensor& sin_ND) {
    context->save_for_backward({cos_ND, sin_ND});
    const auto [q, k] = ops::rotate_both(q_NHD, k_NGD, cos_ND, sin_ND, 1);
    return {q, k};
  }
  static variable_list backward(AutogradContext* context, const variable_list& d) {
    const variable_list saved = context->get_saved_variables();
    const auto [q, k] = ops::rotate_both(d[0], d[1], saved[0], saved[1], -1);
    return {q, k, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rotary_frequencies(const ModelConfig& config, at::Device device, at::ScalarType dtype) {
  return frequencies(config, dtype == at::kDouble ? at::kDouble : at::kFloat).to(device, /*non_blocking=*/true);
}

Rotary rotary(const at::Tensor& frequency_F, const at::Tensor& position_N, at::ScalarType dtype) {
  const at::Tensor angle = position_N.to(frequency_F.scalar_type()).unsqueeze(1) * frequency_F;
  return {angle.cos().to(dtype), angle.sin().to(dtype)};
}

Rotary rotary(const ModelConfig& config, const at::Tensor& position_N, at::ScalarType dtype) {
  return rotary(rotary_frequencies(config, position_N.device(), dtype), position_N, dtype);
}

void check_length(const ModelConfig& config, int64_t positions) {
  if (config.rope.type != "dynamic" || positions <= config.rope.original_max_position) return;
  fail_usage({.what = "the text is longer than rope type `dynamic` is supported for",
              .where = "config.json: rope_scaling",
              .expected = str("at most ", config.rope.original_max_position, " tokens, answer included"),
              .found = str(positions),
              .next_step = "shorten it; past that length the angles of cached keys would depend on later tokens"});
}

at::Tensor rotate(const at::Tensor& x_NHD, const Rotary& rotary, bool inverse) {
  return Rotate::apply(x_NHD, rotary.cos, rotary.sin, inverse ? -1 : 1);
}

std::pair<at::Tensor, at::Tensor> rotate(const at::Tensor& q_NHD, const at::Tensor& k_NGD, const Rotary& rotary) {
  if (!q_NHD.is_cuda()) return {rotate(q_NHD, rotary), rotate(k_NGD, rotary)};
  const variable_list out = RotateBoth::apply(q_NHD, k_NGD, rotary.cos, rotary.sin);
  return {out[0], out[1]};
}

}  // namespace bt
