// What tells one decoder family from the next: one description each, of what differs from the common decoder
// (RMSNorm, rotary attention over grouped heads, gated feed-forward, two residual sums a layer) and of the defaults
// that transformers' configuration classes keep to themselves.
#pragma once

#include <cstdint>
#include <string_view>

namespace bt {

// Which layers see only a sliding window, when config.json does not list `layer_types`.
enum class WindowRule {
  none,           // no layer
  every_layer,    // all, unless `sliding_window` is null
  upper_layers,   // from `max_window_layers` on, where `use_sliding_window` says so
  even_layers,    // 0, 2, 4, ...
  without_rotary  // those without rotary embedding, where `use_sliding_window` says so
};

// Queries and keys are normalised before they are rotated: not at all, each head, or all heads as one vector.
enum class QueryKeyNorm { none, each_head, all_heads };

struct ModelFamily {
  std::string_view model_type;
  std::string_view architecture;  // transformers' class name

  // Defaults of keys that may be absent.
  bool tie_word_embeddings = false;
  int64_t kv_heads = 0;  // 0: as many as query heads
  int64_t head_dim = 0;  // 0: hidden_size / heads
  int64_t max_position = 2048;
  int64_t sliding_window = 0;  // 0: none
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::string_view activation_key = "hidden_act";
  std::string_view activation = "silu";

  // Norms of a layer by their names in the file; empty: there is none. The two `out` norms stand between a block and
  // its residual sum.
  std::string_view attention_norm = "input_layernorm", attention_out_norm = {};
  std::string_view mlp_norm = "post_attention_layernorm", mlp_out_norm = {};
  double norm_offset = 0;         // weights are stored less this
  bool norm_rounds_last = false;  // scaled by the weight in fp32 and then rounded, instead of the other way round
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;

  bool qkv_bias = false;            // always
  bool attention_bias_key = false;  // reads attention_bias: of q, k, v and o
  bool mlp_bias_key = false;        // reads mlp_bias
  bool scaled_embedding = false;    // by sqrt(hidden_size), rounded to the weights' type
  bool soft_caps = false;           // reads the two *_logit_softcapping keys
  double query_scalar = 0;          // default of query_pre_attn_scalar; 0: no such key, scores scale by head_dim
  bool no_rope_layers_key = false;  // reads no_rope_layers and no_rope_layer_interval
  WindowRule window = WindowRule::none;
};

// nullptr for a family that is not supported.
const ModelFamily* find_model_family(std::string_view model_type);

}  // namespace bt
