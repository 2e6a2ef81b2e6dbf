#include "bt/format/model_family.h"

#include <array>
#include <string>
#include <vector>

#include "bt/format/model_config.h"

namespace bt {
namespace {

// In the order in which docs/models.md lists them.
constexpr std::array kFamilies = {
    // Llama 2, 3, 3.1, 3.2; SmolLM and SmolLM2
    ModelFamily{
        .model_type = "llama", .architecture = "LlamaForCausalLM", .attention_bias_key = true, .mlp_bias_key = true},
    ModelFamily{.model_type = "mistral",
                .architecture = "MistralForCausalLM",
                .kv_heads = 8,
                .max_position = 131072,
                .sliding_window = 4096,
                .window = WindowRule::every_layer},
    // Qwen2 and Qwen2.5
    ModelFamily{.model_type = "qwen2",
                .architecture = "Qwen2ForCausalLM",
                .kv_heads = 32,
                .max_position = 32768,
                .sliding_window = 4096,
                .qkv_bias = true,
                .window = WindowRule::upper_layers},
    ModelFamily{.model_type = "qwen3",
                .architecture = "Qwen3ForCausalLM",
                .kv_heads = 32,
                .head_dim = 128,
                .max_position = 32768,
                .sliding_window = 4096,
                .query_key_norm = QueryKeyNorm::each_head,
                .attention_bias_key = true,
                .window = WindowRule::upper_layers},
    ModelFamily{.model_type = "gemma",
                .architecture = "GemmaForCausalLM",
                .tie_word_embeddings = true,
                .kv_heads = 16,
                .head_dim = 256,
                .max_position = 8192,
                .activation = "gelu_pytorch_tanh",
                .norm_offset = 1,
                .norm_rounds_last = true,
                .attention_bias_key = true,
                .scaled_embedding = true},
    ModelFamily{.model_type = "gemma2",
                .architecture = "Gemma2ForCausalLM",
                .tie_word_embeddings = true,
                .kv_heads = 4,
                .head_dim = 256,
                .max_position = 8192,
                .sliding_window = 4096,
                .activation_key = "hidden_activation",
                .activation = "gelu_pytorch_tanh",
                .attention_out_norm = "post_attention_layernorm",
                .mlp_norm = "pre_feedforward_layernorm",
                .mlp_out_norm = "post_feedforward_layernorm",
                .norm_offset = 1,
                .norm_rounds_last = true,
                .attention_bias_key = true,
                .scaled_embedding = true,
                .soft_caps = true,
                .query_scalar = 256,
                .window = WindowRule::even_layers},
    ModelFamily{.model_type = "smollm3",
                .architecture = "SmolLM3ForCausalLM",
                .tie_word_embeddings = true,
                .kv_heads = 4,
                .max_position = 32768,
                .rope_theta = 2e6,
                .attention_bias_key = true,
                .mlp_bias_key = true,
                .no_rope_layers_key = true,
                .window = WindowRule::without_rotary},
    ModelFamily{.model_type = "olmo2",
                .architecture = "Olmo2ForCausalLM",
                .rms_norm_eps = 1e-5,
                .attention_norm = {},
                .attention_out_norm = "post_attention_layernorm",
                .mlp_norm = {},
                .mlp_out_norm = "post_feedforward_layernorm",
                .norm_rounds_last = true,
                .query_key_norm = QueryKeyNorm::all_heads,
                .attention_bias_key = true},
};

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
