#include "model_family.h"

#include <array>
#include <string>
#include <vector>

#include "bt/format/model_config.h"

namespace bt {
namespace {

constexpr std::array<ModelFamily, 2> kFamilies = {{
    {.model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .tie_word_embeddings = false,
     .has_bias_keys = true,
     .has_sliding_window = false,
     .kv_heads = 0,
     .max_position = 2048,
     .sliding_window = 0},
    {.model_type = "mistral",
     .architecture = "MistralForCausalLM",
     .tie_word_embeddings = false,
     .has_bias_keys = false,
     .has_sliding_window = true,
     .kv_heads = 8,
     .max_position = 131072,
     .sliding_window = 4096},
}};

}  // namespace

const ModelFamily* find_model_family(std::string_view model_type) {
  for (const ModelFamily& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return nullptr;
}

const std::vector<std::string>& supported_model_types() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const ModelFamily& family : kFamilies) list.emplace_back(family.model_type);
    return list;
  }();
  return names;
}

}  // namespace bt
