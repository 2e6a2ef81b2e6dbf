// Mutants of config.json against its reader.
#include "bt/core/json.h"
#include "bt/format/model_config.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

testing::FuzzTarget model_config() {
  const std::string llama =
      R"({"model_type": "llama", "vocab_size": 50, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
    "hidden_act": "silu", "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, "rope_theta": 10000.0, "eos_token_id": [1, 2],
    "tie_word_embeddings": true})";
  const std::string mistral =
      R"({"model_type": "mistral", "vocab_size": 50, "hidden_size": 8, "intermediate_size": 16,
    "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "sliding_window": 16, "rope_theta": 1000000.0,
    "eos_token_id": 2, "bos_token_id": 1, "torch_dtype": "bfloat16", "tie_word_embeddings": false})";
  return {.name = "model_config",
          .seeds = {llama, mistral},
          .read =
              [](const std::string& text, testing::StageCounts& stages) {
                const Json config = Json::parse(text, "fuzz");
                stages.reach("json");
                const ModelConfig read = parse_model_config(config, "fuzz");
                EXPECT_GT(read.layers, 0);
                EXPECT_EQ(read.window.size(), static_cast<size_t>(read.layers));
                EXPECT_EQ(read.heads % read.kv_heads, 0);
              },
          .floors = {{"json", 0.4}, {"read", 0.05}}};
}

TEST(Fuzz, ModelConfig) { testing::fuzz(model_config(), 2'000); }
TEST(FullFuzz, ModelConfig) { testing::fuzz(model_config(), 200'000); }

}  // namespace
}  // namespace bt
