// Small models for the engine's tests.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/options/method_options.h"
#include "support/tiny_plan.h"

namespace bt::testing {

inline ModelConfig tiny_config(int64_t layers = 3) {
  ModelConfig config;
  config.vocab_size = kVocabulary;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.layers = layers;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 8;
  config.max_position = 256;
  config.attention_scale = 0.35;
  config.window.assign(static_cast<size_t>(layers), 0);
  config.initializer_range = 0.3;
  return config;
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

inline MethodContext tiny_context(const ModelConfig& model, at::ScalarType dtype = at::kDouble) {
  return {.model = model, .options = c10::TensorOptions(dtype), .seed = 5};
}

}  // namespace bt::testing
