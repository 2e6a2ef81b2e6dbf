#include "bt/model/decoder.h"

#include <ATen/ATen.h>

namespace bt {
namespace {

const LayerWeights& layer_of(const Decoder& decoder, int64_t layer) {
  return decoder.layers.at(static_cast<size_t>(layer));
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const at::Tensor y = at::linear(x, weight, bias);
  if (!lora_a.defined()) return y;
  const at::Tensor down = at::linear(x, lora_a.flatten(0, -2)), up = at::linear(down, lora_b.flatten(0, -2));
  return at::add(y, up, lora_scale);
}

AttentionSpec Decoder::attention(int64_t layer) const {
  return {config.attention_scale, config.attention_softcap, config.window.at(static_cast<size_t>(layer))};
}

at::Tensor embed(const Decoder& decoder, const at::Tensor& id_N) { return at::embedding(decoder.embedding, id_N); }

Qkv project_qkv(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const Rotary& rotary) {
  const LayerWeights& weights = layer_of(decoder, layer);
  const ModelConfig& config = decoder.config;
  const at::Tensor n_NC = rms_norm(x_NC, weights.attention_norm, config.rms_norm_eps);
  const auto heads = [&](const Linear& project, int64_t count) {
    return project(n_NC).view({x_NC.size(0), count, config.head_dim});
  };
  return {rotate(heads(weights.q, config.heads), rotary), rotate(heads(weights.k, config.kv_heads), rotary),
          heads(weights.v, config.kv_heads)};
}

at::Tensor finish_layer(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const at::Tensor& out_NHD) {
  const LayerWeights& weights = layer_of(decoder, layer);
  const at::Tensor attended_NC = x_NC + weights.o(out_NHD.reshape({x_NC.size(0), -1}));
  const at::Tensor n_NC = rms_norm(attended_NC, weights.mlp_norm, decoder.config.rms_norm_eps);
  return attended_NC + weights.down(at::silu(weights.gate(n_NC)) * weights.up(n_NC));
}

at::Tensor final_hidden(const Decoder& decoder, const at::Tensor& x_NC) {
  return rms_norm(x_NC, decoder.final_norm, decoder.config.rms_norm_eps);
}

at::Tensor logits(const Decoder& decoder, const at::Tensor& hidden_NC) {
  const at::Tensor raw_NV = at::linear(hidden_NC, decoder.head);
  const double cap = decoder.config.logit_softcap;
  return cap > 0 ? at::tanh(raw_NV / cap) * cap : raw_NV;
}

}  // namespace bt
