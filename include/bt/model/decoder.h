// A decoder-only transformer as plain tensors and functions; one layer code serves prefill, decoding and training.
//
// Axes: N packed tokens, C model width, H query heads, G key/value heads, D head width, V vocabulary, F feed-forward.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bt/format/model_config.h"
#include "bt/format/safetensors.h"
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

// Undefined where the family has no such norm (ModelFamily of bt/format/model_family.h).
struct LayerWeights {
  at::Tensor attention_norm, attention_out_norm;  // [C]: before the block; between it and its residual sum
  at::Tensor mlp_norm, mlp_out_norm;              // [C]
  at::Tensor q_norm, k_norm;                      // [D], or [H D] and [G D] where all heads are one vector
  Linear q, k, v, o, gate, up, down;
};

struct Decoder {
  ModelConfig config;
  at::Tensor embedding;  // [V, C]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;  // [C]
  at::Tensor head;        // [V, C]; the embedding itself when tied

  AttentionSpec attention(int64_t layer) const;
  c10::TensorOptions options() const { return embedding.options(); }
};

// cos and sin of every token's rotary angles, [N, D/2], rounded to `dtype`. The angles themselves are computed in fp32,
// as transformers does, so that they are those a model was trained with; in fp64 for fp64.
struct Rotary {
  at::Tensor cos, sin;
};
Rotary rotary(const ModelConfig& config, const at::Tensor& position_N, at::ScalarType dtype);
// The same in two steps, for callers that keep what does not depend on positions: [D/2] on `device`, in fp32 or, for
// fp64, in that.
at::Tensor rotary_frequencies(const ModelConfig& config, at::Device device, at::ScalarType dtype);
Rotary rotary(const at::Tensor& frequency_F, const at::Tensor& position_N, at::ScalarType dtype);
// ExitCode::usage for a text longer than rope type `dynamic` is exact for (RopeConfig).
void check_length(const ModelConfig& config, int64_t positions);
// Rotates x_NHD (half-split layout) into a new contiguous tensor; inverse undoes it. Differentiable in x once.
at::Tensor rotate(const at::Tensor& x_NHD, const Rotary& rotary, bool inverse = false);
// Queries and keys of the same tokens: on CUDA in one launch.
std::pair<at::Tensor, at::Tensor> rotate(const at::Tensor& q_NHD, const at::Tensor& k_NGD, const Rotary& rotary);
// (weight + offset) * (x / sqrt(mean(x^2) + eps)) over the last axis: the quotient in at least fp32, rounded to x's
// dtype before the weight is applied (Llama) or after (Gemma, OLMo 2). Differentiable once; a weight without gradient
// costs none.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm);
// x + residual, and its norm: on CUDA in one launch, forward and backward.
std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                               const at::Tensor& weight, const NormConfig& norm);
// act(gate) * up, of equal shapes. Differentiable; on CUDA once, in one launch either way, gate and up alone are kept.
at::Tensor gated_activation(Activation activation, const at::Tensor& gate, const at::Tensor& up);

struct Qkv {
  at::Tensor q_NHD, k_NGD, v_NGD;
};

// What the rows of the embedding are multiplied by: 1, or Gemma's sqrt(C) as the weights' type holds it.
double embedding_scale(const Decoder& decoder);
// The rows of the embedding, [N, C], scaled where the family does. id_N int64 in [0, V).
at::Tensor embed(const Decoder& decoder, const at::Tensor& id_N);
// Norm and projections of one layer; queries and keys come normalised where the layer does so, not rotated.
Qkv project_heads(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC);
// The same, rotated where the layer rotates.
Qkv project_qkv(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const Rotary& rotary);
// The rest of the layer after attention: output projection, feed-forward, both residual sums. [N, C].
at::Tensor finish_layer(const Decoder& decoder, int64_t layer, const at::Tensor& x_NC, const at::Tensor& out_NHD);
at::Tensor final_hidden(const Decoder& decoder, const at::Tensor& x_NC);  // [N, C], after the last norm
at::Tensor logits(const Decoder& decoder, const at::Tensor& hidden_NC);   // [N, V], soft cap applied

// A backbone and the storage of its weights.
struct Backbone {
  std::unique_ptr<ParameterStore> parameters;  // every weight, under its Hugging Face name
  Decoder decoder;                             // its tensors are the store's leaves, or detached views when frozen
};
// `trainable`: the decoder's tensors are leaves with gradients; otherwise they carry none, and none are allocated.
// New weights: projections normal(initializer_range), those that write to the residual stream scaled by
// 1/sqrt(2 layers); norms 1, biases 0.
Backbone make_backbone(const ModelConfig& config, c10::TensorOptions options, uint64_t seed, bool trainable);
// Reads config.json and the weights, one file or shards, converted to the dtype of `options`; masters of what trains
// are not rounded to it. Names, shapes and element types are checked before anything is allocated: ExitCode::bad_file
// naming the tensors. No tensor exists twice on the way: beside the model, a piece of 1 MiB a thread.
Backbone load_backbone(const std::string& folder, c10::TensorOptions options, bool trainable,
                       LoadMode mode = LoadMode::mmap);
// The backbone of `folder` in sizes alone: tensors of the dtype on the meta device, which take no memory. Weights that
// are there are checked as load_backbone checks them, but not read; without any there is a warning.
Backbone outline_backbone(const std::string& folder, at::ScalarType dtype, bool trainable);
// Writes config.json and model.safetensors (temporary names, sync, rename) in the masters' dtype; a tied head is stored
// once. Makes the folder; leaves other files alone. ExitCode::io.
void save_backbone(const Backbone& backbone, const std::string& folder);
// What runs on hidden states alone: the weights of the layers and of the last norm, and the decoder made of them, whose
// embedding and head are undefined.
std::vector<ParameterInfo> layer_parameters(const ModelConfig& config);
Decoder layers_of(const ModelConfig& config, const ParameterStore& parameters);
// Copies every weight but embedding and head into the masters of a store of layer_parameters() of the same config.
void copy_layers_(ParameterStore& into, const Decoder& from);
// Replaces the decoder's tensors: copies of the decoder made before keep the old ones.
void set_trainable(Backbone& backbone, bool trainable);

}  // namespace bt
