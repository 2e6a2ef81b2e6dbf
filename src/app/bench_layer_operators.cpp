// The elementwise operators of a layer against readable ATen.
#include <ATen/ATen.h>

#include "bench_operators.h"
#include "bt/core/strings.h"
#include "bt/model/decoder.h"
#include "bt/ops/layer_ops.h"
#include "bt/ops/reference.h"

namespace bt {
namespace {

struct Shape {
  int64_t tokens, channels, inner, heads, groups, width;
};

double count(int64_t tokens, int64_t columns) { return static_cast<double>(tokens * columns); }

using Make = OperatorPair (*)(const Shape&, const c10::TensorOptions&, double element);

OperatorPair norm(const Shape& s, const c10::TensorOptions& options, double element) {
  const at::Tensor x = at::randn({s.tokens, s.channels}, options), weight = at::randn({s.channels}, options);
  return {.plain = [=] { ops::reference::rms_norm(x, weight, 1e-5, 0, false); },
          .ours = [=] { rms_norm(x, weight, {.eps = 1e-5}); },
          .bytes = 2 * element * count(s.tokens, s.channels)};
}

OperatorPair sum_and_norm(const Shape& s, const c10::TensorOptions& options, double element) {
  const at::Tensor x = at::randn({s.tokens, s.channels}, options), residual = at::randn_like(x),
                   weight = at::randn({s.channels}, options);
  return {.plain = [=] { ops::reference::add_rms_norm(x, residual, weight, 1e-5, 0, false); },
          .ours = [=] { add_rms_norm(x, residual, weight, {.eps = 1e-5}); },
          .bytes = 4 * element * count(s.tokens, s.channels)};
}

OperatorPair norm_backward(const Shape& s, const c10::TensorOptions& options, double element, bool wants_dweight) {
  const at::Tensor x = at::randn({s.tokens, s.channels}, options), weight = at::randn({s.channels}, options),
                   dy = at::randn_like(x), d_sum = at::randn_like(x);
  const at::Tensor scale = std::get<1>(ops::reference::rms_norm(x, weight, 1e-5, 0, false));
  return {.plain = [=] { ops::reference::rms_norm_backward(dy, d_sum, x, weight, scale, 0, false, wants_dweight); },
          .ours = [=] { ops::rms_norm_backward(dy, d_sum, x, weight, scale, {.eps = 1e-5}, wants_dweight); },
          .bytes = 4 * element * count(s.tokens, s.channels)};
}

OperatorPair frozen_norm_backward(const Shape& s, const c10::TensorOptions& options, double element) {
  return norm_backward(s, options, element, false);
}

OperatorPair trained_norm_backward(const Shape& s, const c10::TensorOptions& options, double element) {
  return norm_backward(s, options, element, true);
}

OperatorPair rotation(const Shape& s, const c10::TensorOptions& options, double element) {
  const at::Tensor q = at::randn({s.tokens, s.heads, s.width}, options),
                   k = at::randn({s.tokens, s.groups, s.width}, options),
                   angle = at::randn({s.tokens, s.width / 2}, options.dtype(at::kFloat));
  const Rotary rotary{angle.cos().to(q.scalar_type()), angle.sin().to(q.scalar_type())};
  return {.plain = [=] { ops::reference::rotate_both(q, k, rotary.cos, rotary.sin, 1); },
          .ours = [=] { rotate(q, k, rotary); },
          .bytes = 2 * element * count(s.tokens, (s.heads + s.groups) * s.width)};
}

OperatorPair gate(const Shape& s, const c10::TensorOptions& options, double element) {
  const at::Tensor gate = at::randn({s.tokens, s.inner}, options), up = at::randn_like(gate);
  return {.plain = [=] { ops::reference::gated_activation(gate, up, "silu"); },
          .ours = [=] { gated_activation(Activation::silu, gate, up); },
          .bytes = 3 * element * count(s.tokens, s.inner)};
}

OperatorPair gate_backward(const Shape& s, const c10::TensorOptions& options, double element) {
  const at::Tensor gate = at::randn({s.tokens, s.inner}, options), up = at::randn_like(gate),
                   d_out = at::randn_like(gate);
  return {.plain = [=] { ops::reference::gated_activation_backward(d_out, gate, up, "silu"); },
          .ours = [=] { ops::gated_activation_backward(Activation::silu, d_out, gate, up); },
          .bytes = 5 * element * count(s.tokens, s.inner)};
}

Bench bench(const char* name, const Shape& s, Make make) {
  const std::string text = str(s.tokens, " tokens, width ", s.channels, ", feed-forward ", s.inner, ", ", s.heads,
                               " + ", s.groups, " heads of ", s.width);
  return {str("ops/", name, "_", s.tokens), text, [s, make](const c10::TensorOptions& options) {
            const auto element = static_cast<double>(options.dtype().itemsize());
            return operator_variants(make(s, options, element), options.device());
          }};
}

std::vector<Bench> forward(const Shape& s) {
  return {bench("rms_norm", s, norm), bench("add_rms_norm", s, sum_and_norm), bench("rotary", s, rotation),
          bench("gated_activation", s, gate)};
}

}  // namespace

// Large: Llama-3.2-1B, a batch of 16 texts of 350 tokens and one of 64 single tokens. Backward passes stand alone on a
// device alone: a CPU has them inside the nodes of bt/model/decoder.h.
std::vector<Bench> layer_benches(BenchScale scale) {
  if (scale == BenchScale::small) return forward({400, 256, 688, 8, 4, 32});
  const Shape training{5600, 2048, 8192, 32, 8, 64}, token{64, 2048, 8192, 32, 8, 64};
  std::vector<Bench> all = forward(training);
  for (Bench& one : forward(token)) all.push_back(std::move(one));
  all.push_back(bench("add_rms_norm_backward", training, frozen_norm_backward));
  all.push_back(bench("add_rms_norm_backward_weight", training, trained_norm_backward));
  all.push_back(bench("gated_activation_backward", training, gate_backward));
  return all;
}

}  // namespace bt
