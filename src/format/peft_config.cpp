#include "bt/format/peft_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "json_reader.h"

namespace bt {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{4} << 20;
constexpr IntegerRange kRankRange{1, int64_t{1} << 20};
constexpr NumberRange kAlphaRange{0, 1e12};

// Keys that change what the adapters compute. Null, false, 0, "none" and empty lists and objects mean "not used".
constexpr const char* kUnsupported[] = {"alora_invocation_tokens",
                                        "alpha_pattern",
                                        "arrow_config",
                                        "bias",
                                        "fan_in_fan_out",
                                        "kasa_config",
                                        "layer_replication",
                                        "layers_pattern",
                                        "layers_to_transform",
                                        "lora_bias",
                                        "megatron_config",
                                        "modules_to_save",
                                        "monteclora_config",
                                        "rank_pattern",
                                        "target_parameters",
                                        "trainable_token_indices",
                                        "use_bdlora",
                                        "use_dora",
                                        "use_qalora",
                                        "velora_config"};

// Initialisations that leave the base model's weights as they are; others (PiSSA, OLoRA, ...) change them when PEFT
// opens the folder.
constexpr std::string_view kPlainInitialisations[] = {"gaussian", "eva", "orthogonal"};

std::string config_path(const std::string& folder) {
  return (std::filesystem::path(folder) / kPeftConfigName).string();
}

bool is_unused(const Json& value) {
  return value == Json() || value == Json(false) || value == Json(0) || value == Json("none") ||
         value == Json::array() || value == Json::object();
}

void refuse_unsupported(const JsonReader& reader) {
  if (const std::string type = reader.text("peft_type"); type != "LORA") {
    fail_bad_file({.what = "not a LoRA adapter",
                   .where = reader.where("peft_type"),
                   .expected = "LORA",
                   .found = quoted_excerpt(type)});
  }
  for (const char* key : kUnsupported) {
    const Json* value = reader.find(key);
    if (value == nullptr || is_unused(*value)) continue;
    fail_bad_file({.what = str("PEFT's ", key, " is not supported"),
                   .where = reader.where(key),
                   .expected = "plain low-rank adapters",
                   .found = quoted_excerpt(value->dump()),
                   .next_step = "merge the adapters into the model with PEFT's merge_and_unload"});
  }
}

void refuse_changed_base(const JsonReader& reader) {
  const Json* value = reader.find("init_lora_weights");
  if (value == nullptr || value->is_bool()) return;
  const std::string name = reader.text("init_lora_weights");
  const auto& plain = kPlainInitialisations;
  if (std::find(std::begin(plain), std::end(plain), name) != std::end(plain)) return;
  fail_bad_file({.what = "adapters whose initialisation changed the base model are not supported",
                 .where = reader.where("init_lora_weights"),
                 .expected = "true, false, gaussian, eva or orthogonal",
                 .found = quoted_excerpt(name),
                 .next_step = "merge the adapters into the model with PEFT's merge_and_unload"});
}

Json whole_or_real(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? Json(static_cast<int64_t>(value)) : Json(value);
}

}  // namespace

bool has_peft_config(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(config_path(folder), ignored);
}

void write_peft_config(const std::string& folder, const PeftConfig& config) {
  Json targets = Json::array();
  for (const std::string& name : config.target_modules) targets.push_back(name);
  Json json = Json::object();
  json.set("peft_type", "LORA");
  json.set("task_type", "CAUSAL_LM");
  json.set("base_model_name_or_path", config.base_model);
  json.set("r", config.rank);
  json.set("lora_alpha", whole_or_real(config.scale * static_cast<double>(config.rank)));
  json.set("use_rslora", false);
  json.set("target_modules", std::move(targets));
  json.set("bias", "none");
  json.set("fan_in_fan_out", false);
  json.set("lora_dropout", 0.0);
  json.set("init_lora_weights", true);
  json.set("inference_mode", true);
  write_file_atomically(config_path(folder), json.dump(2) + "\n");
}

PeftConfig read_peft_config(const std::string& folder) {
  const std::string path = config_path(folder);
  const Json json = Json::parse_file(path, kMaxBytes);
  const JsonReader reader(json, path);
  refuse_unsupported(reader);
  refuse_changed_base(reader);
  PeftConfig config;
  config.rank = reader.integer("r", kRankRange);
  const auto rank = static_cast<double>(config.rank);
  config.scale =
      reader.number("lora_alpha", kAlphaRange) / (reader.boolean("use_rslora", false) ? std::sqrt(rank) : rank);
  config.base_model = reader.text("base_model_name_or_path", "");
  return config;
}

}  // namespace bt
