// Small models for the engine's tests.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <vector>

#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/options/method_options.h"
#include "support/tiny_plan.h"

namespace bt::testing {

inline ModelConfig tiny_config(int64_t layers = 3, const std::string& family = "llama") {
  return parse_model_config(Json::object({{"model_type", family},
                                          {"vocab_size", int64_t{kVocabulary}},
                                          {"hidden_size", 24},
                                          {"intermediate_size", 40},
                                          {"num_hidden_layers", layers},
                                          {"num_attention_heads", 4},
                                          {"num_key_value_heads", 2},
                                          {"head_dim", 8},
                                          {"max_position_embeddings", 256},
                                          {"sliding_window", 7},
                                          {"no_rope_layer_interval", 2},
                                          {"query_pre_attn_scalar", 8.2},
                                          {"attn_logit_softcapping", 1.5},
                                          {"initializer_range", 0.3}}),
                            "tiny");
}

inline Backbone tiny_backbone(const ModelConfig& config, bool trainable, at::ScalarType dtype = at::kDouble) {
  return make_backbone(config, c10::TensorOptions(dtype), 11, trainable);
}

inline BtOptions tiny_bt() {
  BtOptions options;
  options.rows.recall = 3;
  options.rows.recent = 4;
  options.width = 12;
  options.heads = 3;
  options.feed_forward = 20;
  options.gate_init = -0.3;
  options.out_deviation = 0.2;
  return options;
}

// Adds something to every parameter, so that none is at a special value.
inline void stir(ParameterStore& store) {
  at::NoGradGuard no_grad;
  store.flat().add_(at::arange(store.count(), store.flat().options()).sin(), 0.1);
}

inline MethodContext tiny_context(const ModelConfig& model, at::ScalarType dtype = at::kDouble) {
  return {.model = model, .options = c10::TensorOptions(dtype), .seed = 5};
}

}  // namespace bt::testing
