#include "bt/model/decoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <tuple>

#include "linear_rows.h"

namespace bt {
namespace {

const LayerWeights& layer_of(const Decoder& decoder, int64_t layer) {
  return decoder.layers.at(static_cast<size_t>(layer));
}

// A norm that the family may not have.
at::Tensor normed(const Decoder& decoder, const at::Tensor& x, const at::Tensor& weight) {
  return weight.defined() ? rms_norm(x, weight, decoder.config.norm) : x;
}

// x [N, heads * D]; the width of the weight says whether each head is normalised or all as one vector.
at::Tensor normed_heads(const Decoder& decoder, const at::Tensor& x, const at::Tensor& weight) {
  if (!weight.defined()) return x;
  return rms_norm(x.view({x.size(0), -1, weight.size(0)}), weight, decoder.config.norm);
}

// A residual sum and its norm, where the family has one between them.
std::pair<at::Tensor, at::Tensor> sum_and_normed(const Decoder& decoder, const at::Tensor& x, const at::Tensor& change,
                                                 const at::Tensor& weight) {
  if (weight.defined()) return add_rms_norm(x, change, weight, decoder.config.norm);
  const at::Tensor sum = x + change;
  return {sum, sum};
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const at::Tensor y = linear_rows(x, weight, bias);
  if (!lora_a.defined()) return y;
  const at::Tensor down = at::linear(x, lora_a.flatten(0, -2)), up = at::linear(down, lora_b.flatten(0, -2));
  return at::add(y, up, lora_scale);
}

AttentionSpec Decoder::attention(int64_t layer) const {
  return {config.attention_scale, config.attention_softcap, config.window.at(static_cast<size_t>(layer))};
}

at::Tensor embed(const Decoder& decoder, const at::Tensor& id_N) {
  const at::Tensor x_NC = at::embedding(decoder.embedding, id_N);
  return decoder.config.scaled_embedding ? x_NC * embedding_scale(decoder) : x_NC;
}

// Rounded before it multiplies: sqrt(3072) = 55.4256 becomes 55.5 in bf16, as in Gemma's training.
double embedding_scale(const Decoder& decoder) {
  if (!decoder.config.scaled_embedding) return 1;
  const at::Tensor scale = at::scalar_tensor(std::sqrt(static_cast<double>(decoder.config.hidden_size)), at::kDouble);
  return scale.to(decoder.embedding.scalar_type()).item<double>();
}

Qkv project_heads(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC) {
  const LayerWeights& weights = layer_of(decoder, layer);
  const ModelConfig& config = decoder.config;
  const at::Tensor n_NC = normed(decoder, x_NC, weights.attention_norm);
  const auto heads = [&](const at::Tensor& x, int64_t count) { return x.view({x_NC.size(0), count, config.head_dim}); };
  return {heads(normed_heads(decoder, weights.q(n_NC), weights.q_norm), config.heads),
          heads(normed_heads(decoder, weights.k(n_NC), weights.k_norm), config.kv_heads),
          heads(weights.v(n_NC), config.kv_heads)};
}

Qkv project_qkv(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const Rotary& rotary) {
  Qkv qkv = project_heads(decoder, layer, x_NC);
  if (decoder.config.rotary[static_cast<size_t>(layer)])
    std::tie(qkv.q_NHD, qkv.k_NGD) = rotate(qkv.q_NHD, qkv.k_NGD, rotary);
  return qkv;
}

at::Tensor finish_layer(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const at::Tensor& out_NHD) {
  const LayerWeights& weights = layer_of(decoder, layer);
  const at::Tensor attention_NC = weights.o(out_NHD.reshape({x_NC.size(0), -1}));
  const auto [attended_NC, n_NC] =
      sum_and_normed(decoder, x_NC, normed(decoder, attention_NC, weights.attention_out_norm), weights.mlp_norm);
  const at::Tensor mlp_NC =
      weights.down(gated_activation(decoder.config.activation, weights.gate(n_NC), weights.up(n_NC)));
  return attended_NC + normed(decoder, mlp_NC, weights.mlp_out_norm);
}

at::Tensor final_hidden(const Decoder& decoder, const at::Tensor& x_NC) {
  return rms_norm(x_NC, decoder.final_norm, decoder.config.norm);
}

at::Tensor logits(const Decoder& decoder, const at::Tensor& hidden_NC) {
  const at::Tensor raw_NV = linear_rows(hidden_NC, decoder.head, {});
  const double cap = decoder.config.logit_softcap;
  return cap > 0 ? at::tanh(raw_NV / cap) * cap : raw_NV;
}

}  // namespace bt
