#include "processor_block.h"

#include <ATen/ATen.h>

#include <cmath>

#include "bt/ops/ops.h"
#include "packed_slots.h"

namespace bt {
namespace {

constexpr double kNormEps = 1e-6;
// Finite, since a padded event has no visible entry at all, and a power of two, since LibTorch's kernel takes its
// log-sum-exp through base 2: -1e30 in bfloat16 comes back one unit lower, and exp of the difference is infinite.
constexpr double kHidden = -0x1p99;

// x_YMI W_YOI^T, layer by layer.
at::Tensor project(const at::Tensor& x_YMI, const at::Tensor& w_YOI) {
  if (w_YOI.size(0) == 1) return at::linear(x_YMI.squeeze(0), w_YOI.squeeze(0)).unsqueeze(0);
  return at::bmm(x_YMI, w_YOI.transpose(1, 2));
}

// Of one layer in one operation; of several without weights, which then have to be the layers' own.
class Norm {
 public:
  explicit Norm(const at::Tensor& like_YP) {
    if (like_YP.size(0) > 1) ones_P_ = at::ones({like_YP.size(1)}, like_YP.options().requires_grad(false));
  }
  at::Tensor operator()(const at::Tensor& x_YMP, const at::Tensor& w_YP) const {
    if (!ones_P_.defined()) return rms_norm(x_YMP, w_YP.squeeze(0), {.eps = kNormEps});
    return rms_norm(x_YMP, ones_P_, {.eps = kNormEps}) * w_YP.unsqueeze(1);
  }

 private:
  at::Tensor ones_P_;
};

// [Y E, heads or 1, W, W], added to the scores.
at::Tensor attention_bias(const BtOptions& options, const Events& events, at::ScalarType dtype) {
  const int64_t batch = events.kind_YEW.size(0) * events.kind_YEW.size(1), entries = events.kind_YEW.size(2);
  at::Tensor hidden = (events.kind_YEW == static_cast<int64_t>(RowKind::pad))
                          .view({batch, 1, 1, entries})
                          .expand({batch, 1, entries, entries});
  if (options.causal) {
    const at::Tensor position = events.position_YEW.view({batch, 1, entries});
    hidden = hidden.logical_or((position > position.transpose(1, 2)).unsqueeze(1));
  }
  return at::zeros({batch, 1, entries, entries}, events.kind_YEW.options().dtype(dtype)).masked_fill_(hidden, kHidden);
}

// Forward and backward on a CPU, the flash kernel loses to matrix products where an event has few entries: 4.6
// against 3.0 ms for 64 events of 40 entries and 4 heads of 12; even at about 55 entries.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias) {
  constexpr int64_t few = 48;
  if (!q.device().is_cpu() || !q.requires_grad() || q.size(2) > few) return ops::biased_attention(q, k, v, bias);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  return at::matmul((at::matmul(q * scale, k.transpose(2, 3)) + bias).softmax(-1), v);
}

// Attention alone needs the events apart; all else takes their entries one by one, n_YMP packed.
at::Tensor self_attention(const BtOptions& options, const ProcessorWeights& weights, const Events& events,
                          const PackedSlots& slots, const at::Tensor& n_YMP, const at::Tensor& frequency_F) {
  const int64_t layers = n_YMP.size(0), packed = layers * n_YMP.size(1), slots_count = events.kind_YEW[0].numel();
  const int64_t entries = events.kind_YEW.size(2), batch = layers * slots_count / entries;
  const int64_t heads = options.heads, width = options.width / heads;
  const auto qkv = project(n_YMP, weights.w_qkv).view({packed, 3 * heads, width}).split(heads, 1);
  Rotary angles;
  if (frequency_F.defined()) {
    const at::Tensor position = slots.pack(events.position_YEW.view({layers, slots_count})).flatten();
    angles = rotary(frequency_F, position, n_YMP.scalar_type());
  }
  const auto turn = [&](const at::Tensor& x) { return frequency_F.defined() ? rotate(x, angles) : x; };
  const auto heads_first = [&](const at::Tensor& x) {
    return slots.unpack(x.contiguous().view({layers, packed / layers, options.width}))
        .view({batch, entries, heads, width})
        .transpose(1, 2);
  };
  const at::Tensor out = attention(heads_first(turn(qkv[0])), heads_first(turn(qkv[1])), heads_first(qkv[2]),
                                   attention_bias(options, events, n_YMP.scalar_type()));
  return slots.pack(out.transpose(1, 2).reshape({layers, slots_count, options.width}));
}

// A change of keys or of values alone, with zeros for the other half.
at::Tensor whole_entry(const BtOptions& options, const at::Tensor& change) {
  if (options.rewrites == "both") return change;
  const at::Tensor nothing = at::zeros_like(change);
  return options.rewrites == "keys" ? at::cat({change, nothing}, -1) : at::cat({nothing, change}, -1);
}

}  // namespace

std::vector<ParameterInfo> processor_parameters(const BtOptions& options, const ModelConfig& model) {
  using Init = ParameterInfo::Init;
  const int64_t entry = 2 * model.kv_heads * model.head_dim, width = options.width, inner = options.feed_forward;
  const bool shared = options.share_layers;
  const int64_t layers = shared ? 1 : model.layers;
  const int64_t changed = options.rewrites == "both" ? entry : entry / 2;
  const int64_t gates = options.gates == "head" ? 2 * model.kv_heads : 1;
  const auto matrix = [&](const char* name, int64_t out, int64_t in, double deviation) {
    return ParameterInfo{.name = name,
                         .shape = {out, in},
                         .layers = layers,
                         .every_layer = shared,
                         .init = Init::normal,
                         .value = deviation,
                         .decay = true};
  };
  const auto norm = [&](const char* name) {
    return ParameterInfo{.name = name,
                         .shape = {width},
                         .layers = layers,
                         .every_layer = shared,
                         .init = Init::ones,
                         .value = 1,
                         .decay = false};
  };
  const auto fan_in = [](int64_t in) { return 1.0 / std::sqrt(static_cast<double>(in)); };
  std::vector<ParameterInfo> all{matrix("w_in", width, entry, fan_in(entry))};
  if (options.kind_embedding) {
    all.push_back({.name = "kind",
                   .shape = {2, width},
                   .layers = layers,
                   .every_layer = shared,
                   .init = Init::zeros,
                   .value = 0,
                   .decay = false});
  }
  all.insert(all.end(),
             {norm("attention_norm"), matrix("w_qkv", 3 * width, width, fan_in(width)),
              matrix("w_o", width, width, fan_in(width)), norm("mlp_norm"),
              matrix("w_gate_up", 2 * inner, width, fan_in(width)), matrix("w_down", width, inner, fan_in(inner)),
              norm("out_norm"), matrix("w_out", changed, width, options.out_deviation),
              ParameterInfo{.name = "gate",
                            .shape = {gates},
                            .layers = model.layers,
                            .init = Init::constant,
                            .value = options.gate_init,
                            .decay = false,
                            .lr_multiplier = options.gate_lr_multiplier}});
  if (options.calls == "learned") {
    all.push_back(
        {.name = "call_weight", .shape = {entry}, .layers = model.layers, .init = Init::zeros, .decay = true});
    all.push_back({.name = "call_bias",
                   .shape = {1},
                   .layers = model.layers,
                   .init = Init::constant,
                   .value = options.call_init,
                   .decay = false,
                   .lr_multiplier = options.gate_lr_multiplier});
  }
  return all;
}

ProcessorWeights processor_weights(const BtOptions& options, at::TensorList parameters) {
  size_t next = 0;
  const auto take = [&] { return parameters[next++]; };
  ProcessorWeights w;
  w.w_in = take();
  if (options.kind_embedding) w.kind = take();
  for (at::Tensor* slot :
       {&w.attention_norm, &w.w_qkv, &w.w_o, &w.mlp_norm, &w.w_gate_up, &w.w_down, &w.out_norm, &w.w_out, &w.gate})
    *slot = take();
  if (options.calls == "learned") {
    w.call_weight_YC = take();
    w.call_bias_Y1 = take();
  }
  return w;
}

at::Tensor processor_block(const BtOptions& options, const ProcessorWeights& weights, const Events& events,
                           at::Tensor u_YEWC, const at::Tensor& frequency_F) {
  const int64_t layers = u_YEWC.size(0), tokens = u_YEWC.size(1) * u_YEWC.size(2);
  if (tokens == 0) return at::zeros_like(u_YEWC);
  const PackedSlots slots(events.kind_YEW);
  const Norm normalise(weights.attention_norm);
  at::Tensor h = project(slots.pack(u_YEWC.reshape({layers, tokens, -1})), weights.w_in);
  u_YEWC.reset();
  if (weights.kind.defined()) {
    const at::Tensor recalled =
        slots.pack((events.kind_YEW == static_cast<int64_t>(RowKind::recalled)).view({layers, tokens, 1}));
    h = h + at::where(recalled, weights.kind.narrow(1, 1, 1), weights.kind.narrow(1, 0, 1));
  }
  h = h + project(self_attention(options, weights, events, slots, normalise(h, weights.attention_norm), frequency_F),
                  weights.w_o);
  const auto gate_up = project(normalise(h, weights.mlp_norm), weights.w_gate_up).chunk(2, -1);
  h = h + project(gated_activation(Activation::silu, gate_up[0], gate_up[1]), weights.w_down);
  const at::Tensor change = project(normalise(h, weights.out_norm), weights.w_out);
  const at::Tensor delta = slots.unpack(whole_entry(options, change)).view(events.u_YEWC.sizes());
  if (slots.packed()) return delta;
  return delta * (events.kind_YEW != static_cast<int64_t>(RowKind::pad)).unsqueeze(-1);
}

}  // namespace bt
