// config.json of a Hugging Face decoder, resolved: every default filled in, every layer's attention spelled out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"

namespace bt {

struct RopeConfig {
  // default | linear | llama3 | dynamic; others are refused by name. `dynamic` is the default up to
  // original_max_position, and refused beyond: there the angle of a cached key would depend on later tokens.
  std::string type = "default";
  double theta = 10000;
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_position = 0;
};

enum class Activation { silu, gelu, gelu_tanh };

// RMSNorm: x / rms(x) in fp32, times (weight + weight_offset).
struct NormConfig {
  double eps = 1e-6;
  double weight_offset = 0;
  bool rounds_last = false;  // to x's type after the weight is applied, not before
};

struct ModelConfig {
  std::string model_type = "llama";
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  int64_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  int64_t max_position = 0;
  NormConfig norm;
  Activation activation = Activation::silu;
  RopeConfig rope;
  bool tie_word_embeddings = false;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool scaled_embedding = false;     // by sqrt(hidden_size), rounded to the weights' type
  double query_pre_attn_scalar = 0;  // what attention_scale is the inverse root of
  double attention_scale = 0;
  double attention_softcap = 0;  // 0: none
  double logit_softcap = 0;      // 0: none
  std::vector<int64_t> window;   // one per layer; 0: none
  std::vector<bool> rotary;      // one per layer: whether queries and keys are rotated
  double initializer_range = 0.02;
  std::vector<int64_t> eos_ids;  // sorted; union of config.json and generation_config.json
  std::optional<int64_t> bos_id, pad_id;
  std::string dtype;  // "bfloat16" as the file says (`dtype` or `torch_dtype`); empty when absent
};

// The families that can be read, by their model_type.
const std::vector<std::string>& supported_model_types();

// Reads config.json (transformers 4 and 5 spellings) and the stop tokens of generation_config.json where there is one.
// A missing key gets the default of its family; sizes have none. Unknown family, rope type or activation: refused by
// name; every number is range-checked before anything is allocated by it; ExitCode::bad_file with file and key.
ModelConfig read_model_config(const std::string& folder);
ModelConfig parse_model_config(const Json& config, std::string_view source);

// The config.json that transformers 4 and 5 both read. dtype_name as transformers spells it: "float32".
Json model_config_json(const ModelConfig& config, std::string_view dtype_name);

}  // namespace bt
