#include <algorithm>

#include "bt/core/error.h"
#include "bt/format/model_config.h"
#include "model_family.h"
#include "rope_config.h"

namespace bt {
namespace {

Json ids_json(const std::vector<int64_t>& ids) {
  if (ids.empty()) return Json();
  if (ids.size() == 1) return Json(ids.front());
  Json list = Json::array();
  for (const int64_t id : ids) list.push_back(id);
  return list;
}

Json id_json(const std::optional<int64_t>& id) { return id ? Json(*id) : Json(); }

void add_window(const ModelConfig& config, const ModelFamily& family, Json& json) {
  const int64_t window = config.window.empty() ? 0 : config.window.front();
  BT_ASSERT(std::all_of(config.window.begin(), config.window.end(), [&](int64_t w) { return w == window; }));
  BT_ASSERT(window == 0 || family.has_sliding_window);
  if (family.has_sliding_window) json.set("sliding_window", window == 0 ? Json() : Json(window));
}

}  // namespace

Json model_config_json(const ModelConfig& config, std::string_view dtype_name) {
  const ModelFamily* family = find_model_family(config.model_type);
  BT_ASSERT(family != nullptr);
  Json json = Json::object();
  json.set("architectures", Json::array({Json(family->architecture)}));
  json.set("model_type", config.model_type);
  json.set("vocab_size", config.vocab_size);
  json.set("hidden_size", config.hidden_size);
  json.set("intermediate_size", config.intermediate_size);
  json.set("num_hidden_layers", config.layers);
  json.set("num_attention_heads", config.heads);
  json.set("num_key_value_heads", config.kv_heads);
  json.set("head_dim", config.head_dim);
  json.set("max_position_embeddings", config.max_position);
  json.set("rms_norm_eps", config.rms_norm_eps);
  json.set("hidden_act", config.activation);
  add_rope_json(config.rope, json);
  json.set("tie_word_embeddings", config.tie_word_embeddings);
  if (family->has_bias_keys) {
    json.set("attention_bias", config.attention_bias);
    json.set("mlp_bias", config.mlp_bias);
  }
  add_window(config, *family, json);
  json.set("initializer_range", config.initializer_range);
  json.set("bos_token_id", id_json(config.bos_id));
  json.set("eos_token_id", ids_json(config.eos_ids));
  json.set("pad_token_id", id_json(config.pad_id));
  json.set("dtype", dtype_name);
  json.set("torch_dtype", dtype_name);
  return json;
}

}  // namespace bt
