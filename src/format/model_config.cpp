#include "bt/format/model_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "activation_names.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/model_family.h"
#include "json_reader.h"
#include "layer_kinds.h"
#include "rope_config.h"

namespace bt {
namespace {

// Far above any real decoder, and small enough that no product of two of them overflows.
constexpr IntegerRange kVocabRange{1, int64_t{1} << 24};
constexpr IntegerRange kWidthRange{1, int64_t{1} << 20};
constexpr IntegerRange kLayerRange{1, 1024};
constexpr IntegerRange kHeadRange{1, 4096};
constexpr IntegerRange kHeadDimRange{2, 4096};
constexpr IntegerRange kPositionRange{1, int64_t{1} << 31};

const ModelFamily& read_family(const JsonReader& reader) {
  const std::string& model_type = reader.text("model_type");
  const ModelFamily* family = find_model_family(model_type);
  if (family == nullptr) {
    fail_bad_file({.what = "unsupported model family",
                   .where = reader.where("model_type"),
                   .expected = join(supported_model_types(), ", "),
                   .found = model_type});
  }
  if (reader.has("quantization_config")) {
    fail_bad_file({.what = "quantised models are not supported",
                   .where = reader.where("quantization_config"),
                   .expected = "no such key",
                   .next_step = "use the model's unquantised weights"});
  }
  return *family;
}

int64_t read_head_dim(const JsonReader& reader, const ModelFamily& family, const ModelConfig& config) {
  const bool derived = !reader.has("head_dim") && family.head_dim == 0;
  if (derived && config.hidden_size % config.heads != 0) {
    fail_bad_file({.what = "hidden_size is not a multiple of num_attention_heads",
                   .where = reader.where("hidden_size"),
                   .expected = str("a multiple of ", config.heads),
                   .found = str(config.hidden_size)});
  }
  const int64_t missing = derived ? config.hidden_size / config.heads : family.head_dim;
  const int64_t head_dim = reader.integer("head_dim", kHeadDimRange, missing);
  if (head_dim < kHeadDimRange.min || head_dim > kHeadDimRange.max || head_dim % 2 != 0) {
    fail_bad_file({.what = "unsupported head dimension",
                   .where = reader.where("head_dim"),
                   .expected = str("an even number up to ", kHeadDimRange.max),
                   .found = str(head_dim),
                   .next_step = "rotary embedding turns pairs of channels"});
  }
  return head_dim;
}

void read_sizes(const JsonReader& reader, const Json& json, const ModelFamily& family, ModelConfig& config) {
  config.vocab_size = reader.integer("vocab_size", kVocabRange);
  config.hidden_size = reader.integer("hidden_size", kWidthRange);
  config.intermediate_size = reader.integer("intermediate_size", kWidthRange);
  config.layers = reader.integer("num_hidden_layers", kLayerRange);
  config.heads = reader.integer("num_attention_heads", kHeadRange);
  const bool family_default = !json.contains("num_key_value_heads") && family.kv_heads > 0;  // null: as many as heads
  config.kv_heads = reader.integer("num_key_value_heads", kHeadRange, family_default ? family.kv_heads : config.heads);
  if (config.heads % config.kv_heads != 0) {
    fail_bad_file({.what = "num_attention_heads is not a multiple of num_key_value_heads",
                   .where = reader.where("num_key_value_heads"),
                   .expected = str("a divisor of ", config.heads),
                   .found = str(config.kv_heads)});
  }
  config.head_dim = read_head_dim(reader, family, config);
  config.max_position = reader.integer("max_position_embeddings", kPositionRange, family.max_position);
}

Activation read_activation(const JsonReader& reader, const ModelFamily& family) {
  std::string name = reader.text(family.activation_key, std::string(family.activation));
  // Gemma's first files say gelu and mean its tanh approximation; transformers reads them so.
  if (name == "gelu" && family.model_type == "gemma") name = "gelu_pytorch_tanh";
  const std::optional<Activation> activation = activation_of(name);
  if (!activation) {
    fail_bad_file({.what = "unsupported activation",
                   .where = reader.where(family.activation_key),
                   .expected = "silu, gelu or gelu_pytorch_tanh",
                   .found = name});
  }
  return *activation;
}

void read_biases(const JsonReader& reader, const ModelFamily& family, ModelConfig& config) {
  const bool attention = family.attention_bias_key && reader.boolean("attention_bias", false);
  config.qkv_bias = family.qkv_bias || attention;
  config.o_bias = attention;
  config.mlp_bias = family.mlp_bias_key && reader.boolean("mlp_bias", false);
}

void read_attention(const JsonReader& reader, const Json& json, const ModelFamily& family, ModelConfig& config) {
  constexpr NumberRange scalar_range{1e-3, 1e6}, cap_range{1e-3, 1e6};
  const double by_width = static_cast<double>(config.head_dim);
  config.query_pre_attn_scalar =
      family.query_scalar > 0 ? reader.number("query_pre_attn_scalar", scalar_range, family.query_scalar) : by_width;
  config.attention_scale = 1 / std::sqrt(config.query_pre_attn_scalar);
  if (!family.soft_caps) return;
  const auto cap = [&](const char* key, double missing) {  // null: none
    return reader.number(key, cap_range, json.contains(key) ? 0 : missing);
  };
  config.attention_softcap = cap("attn_logit_softcapping", 50);
  config.logit_softcap = cap("final_logit_softcapping", 30);
}

// null, one id or a list of ids.
std::vector<int64_t> read_ids(const JsonReader& reader, std::string_view key, int64_t vocab_size) {
  const Json* value = reader.find(key);
  if (value == nullptr) return {};
  const IntegerRange range{0, vocab_size - 1};
  const std::string where = reader.where(key);
  if (!value->is_array()) return {checked_integer(*value, range, where)};
  std::vector<int64_t> ids;
  for (const Json& item : value->as_array(where)) ids.push_back(checked_integer(item, range, where));
  return ids;
}

std::optional<int64_t> read_id(const JsonReader& reader, std::string_view key, int64_t vocab_size) {
  const std::vector<int64_t> ids = read_ids(reader, key, vocab_size);
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

void add_sorted_unique(std::vector<int64_t>& ids, const std::vector<int64_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

void read_tokens(const JsonReader& reader, ModelConfig& config) {
  add_sorted_unique(config.eos_ids, read_ids(reader, "eos_token_id", config.vocab_size));
  config.bos_id = read_id(reader, "bos_token_id", config.vocab_size);
  const Json* pad = reader.find("pad_token_id");
  const bool has_pad = pad != nullptr && *pad != Json(-1);  // old exports write -1 for none
  if (has_pad) config.pad_id = read_id(reader, "pad_token_id", config.vocab_size);
}

}  // namespace

ModelConfig parse_model_config(const Json& json, std::string_view source) {
  const JsonReader reader(json, std::string(source));
  const ModelFamily& family = read_family(reader);
  ModelConfig config;
  config.model_type = family.model_type;
  read_sizes(reader, json, family, config);
  config.norm = {.eps = reader.number("rms_norm_eps", {1e-12, 1}, family.rms_norm_eps),
                 .weight_offset = family.norm_offset,
                 .rounds_last = family.norm_rounds_last};
  config.activation = read_activation(reader, family);
  config.rope = parse_rope_config(reader, family.rope_theta, config.max_position);
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", family.tie_word_embeddings);
  config.scaled_embedding = family.scaled_embedding;
  read_biases(reader, family, config);
  read_attention(reader, json, family, config);
  config.rotary = read_rotary_layers(reader, family, config.layers);
  config.window = read_windows(reader, json, family, config.rotary);
  config.initializer_range = reader.number("initializer_range", {0, 100}, config.initializer_range);
  read_tokens(reader, config);
  config.dtype = reader.text(reader.has("dtype") ? "dtype" : "torch_dtype", "");
  return config;
}

ModelConfig read_model_config(const std::string& folder) {
  constexpr uint64_t kMaxBytes = 1 << 20;
  const std::filesystem::path root(folder);
  const std::string path = (root / "config.json").string();
  ModelConfig config = parse_model_config(Json::parse_file(path, kMaxBytes), path);
  const std::string generation_path = (root / "generation_config.json").string();
  std::error_code ignored;
  if (std::filesystem::exists(generation_path, ignored)) {
    const Json generation = Json::parse_file(generation_path, kMaxBytes);
    add_sorted_unique(config.eos_ids,
                      read_ids(JsonReader(generation, generation_path), "eos_token_id", config.vocab_size));
  }
  return config;
}

}  // namespace bt
