#include <cmath>

#include "activation_names.h"
#include "bt/core/error.h"
#include "bt/format/model_config.h"
#include "bt/format/model_family.h"
#include "layer_kinds.h"
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

void add_attention(const ModelConfig& config, const ModelFamily& family, Json& json) {
  if (family.attention_bias_key) json.set("attention_bias", config.o_bias);
  if (family.mlp_bias_key) json.set("mlp_bias", config.mlp_bias);
  const double scalar = config.query_pre_attn_scalar;
  const bool whole = scalar == std::floor(scalar);
  if (family.query_scalar > 0) {
    json.set("query_pre_attn_scalar", whole ? Json(static_cast<int64_t>(scalar)) : Json(scalar));
  }
  if (family.soft_caps) {
    const auto cap = [](double value) { return value > 0 ? Json(value) : Json(); };
    json.set("attn_logit_softcapping", cap(config.attention_softcap));
    json.set("final_logit_softcapping", cap(config.logit_softcap));
  }
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
  json.set("rms_norm_eps", config.norm.eps);
  json.set(std::string(family->activation_key), activation_name(config.activation));
  add_rope_json(config.rope, json);
  json.set("tie_word_embeddings", config.tie_word_embeddings);
  add_attention(config, *family, json);
  add_layer_kinds(config.rotary, config.window, *family, json);
  json.set("initializer_range", config.initializer_range);
  json.set("bos_token_id", id_json(config.bos_id));
  json.set("eos_token_id", ids_json(config.eos_ids));
  json.set("pad_token_id", id_json(config.pad_id));
  json.set("dtype", dtype_name);
  json.set("torch_dtype", dtype_name);
  return json;
}

}  // namespace bt
