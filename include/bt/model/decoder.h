// A decoder-only transformer as plain tensors and functions; one layer code serves prefill, decoding and training.
//
// Axes: N packed tokens, C model width, H query heads, G key/value heads, D head width, V vocabulary, F feed-forward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include "bt/format/model_config.h"
#include "bt/model/parameters.h"
#include "bt/ops/attention_spec.h"

namespace bt {

// y = x W^T + b, and with adapters + scale * (x A^T) B^T (LoRA, arXiv 2106.09685).
struct Linear {
  at::Tensor weight;          // [out, in]
  at::Tensor bias;            // [out] or undefined
  at::Tensor lora_a, lora_b;  // [rank, in], [out, rank], as one layer of a store [1, ...], or undefined
  double lora_scale = 0;
  at::Tensor operator()(const at::Tensor& x) const;
};

struct LayerWeights {
  at::Tensor attention_norm, mlp_norm;  // [C]
  Linear q, k, v, o, gate, up, down;
};

struct Decoder {
  ModelConfig config;
  at::Tensor embedding;   // [V, C]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;  // [C]
  at::Tensor head;        // [V, C]; the embedding itself when tied

  AttentionSpec attention(int64_t layer) const;
  c10::TensorOptions options() const { return embedding.options(); }
};

// cos and sin of every token's rotary angles, [N, D/2], computed in fp64 and rounded to `dtype`.
struct Rotary { at::Tensor cos, sin; };
Rotary rotary(const ModelConfig& config, const at::Tensor& position_N, at::ScalarType dtype);
// Rotates x_NHD (half-split layout); inverse undoes it.
at::Tensor rotate(const at::Tensor& x_NHD, const Rotary& rotary, bool inverse = false);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

struct Qkv { at::Tensor q_NHD, k_NGD, v_NGD; };

at::Tensor embed(const Decoder& decoder, const at::Tensor& id_N);                                       // [N, C]
Qkv project_qkv(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const Rotary& rotary);   // keys rotated
at::Tensor finish_layer(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const at::Tensor& out_NHD);
at::Tensor final_hidden(const Decoder& decoder, const at::Tensor& x_NC);                                // after the last norm
at::Tensor logits(const Decoder& decoder, const at::Tensor& hidden_NC);                                 // [N, V], soft cap applied

// A backbone and the storage of its weights.
struct Backbone {
  std::unique_ptr<ParameterStore> parameters;  // every weight, under its Hugging Face name
  Decoder decoder;                             // its tensors are the store's leaves, or detached views when frozen
};
// `trainable`: the decoder's tensors are leaves with gradients; otherwise they carry none.
Backbone make_backbone(const ModelConfig& config, c10::TensorOptions options, uint64_t seed, bool trainable);
Backbone load_backbone(const std::string& folder, c10::TensorOptions options, bool trainable);
// Writes config.json and model.safetensors (temporary names, sync, rename); tied heads are stored once.
void save_backbone(const Backbone& backbone, const std::string& folder);
void set_trainable(Backbone& backbone, bool trainable);

}  // namespace bt
