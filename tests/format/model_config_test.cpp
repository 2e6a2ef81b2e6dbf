#include "bt/format/model_config.h"

#include <cmath>

#include "bt/core/strings.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;
using test::TempFolder;
using test::write_text;

constexpr std::string_view kLlama3 = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 2048,
  "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
  "head_dim": 64, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "hidden_act": "silu", "mlp_bias": false,
  "attention_bias": false, "tie_word_embeddings": true, "bos_token_id": 128000,
  "eos_token_id": [128001, 128008, 128009], "torch_dtype": "bfloat16", "rope_theta": 500000.0,
  "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"}})";

Json tiny() {
  return Json::parse(R"({"model_type": "llama", "vocab_size": 100, "hidden_size": 48, "intermediate_size": 96,
                         "num_hidden_layers": 3, "num_attention_heads": 6})",
                     "tiny");
}

Json tiny_with(const std::string& key, Json value) {
  Json json = tiny();
  json.set(key, std::move(value));
  return json;
}

ModelConfig parse(const Json& json) { return parse_model_config(json, "config.json"); }
ModelConfig parse_text(std::string_view text) { return parse(Json::parse(text, "config.json")); }

void expect_refused(const std::string& key, std::string_view value, std::vector<std::string> message = {}) {
  SCOPED_TRACE(str(key, " = ", value));
  message.push_back("config.json");
  message.push_back(key);
  expect_bad_file(message, [&] { parse(tiny_with(key, Json::parse(value, "value"))); });
}

TEST(ModelConfig, ReadsALlama3ConfigOfTransformers4) {
  const ModelConfig config = parse_text(kLlama3);
  EXPECT_EQ(config.layers, 16);
  EXPECT_EQ(config.heads, 32);
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.norm.eps, 1e-5);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.rope.type, "llama3");
  EXPECT_EQ(config.rope.theta, 500000);
  EXPECT_EQ(config.rope.factor, 32);
  EXPECT_EQ(config.rope.low_freq_factor, 1);
  EXPECT_EQ(config.rope.high_freq_factor, 4);
  EXPECT_EQ(config.rope.original_max_position, 8192);
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{128001, 128008, 128009}));
  EXPECT_EQ(config.bos_id, 128000);
  EXPECT_EQ(config.pad_id, std::nullopt);
  EXPECT_EQ(config.dtype, "bfloat16");
  EXPECT_EQ(config.attention_scale, 0.125);
  EXPECT_EQ(config.window, std::vector<int64_t>(16, 0));
}

TEST(ModelConfig, ReadsThetaAndTypeInRopeParametersOfTransformers5) {
  const ModelConfig config = parse(tiny_with(
      "rope_parameters", Json::parse(R"({"rope_theta": 500000.0, "rope_type": "linear", "factor": 2.0})", "")));
  EXPECT_EQ(config.rope.theta, 500000);
  EXPECT_EQ(config.rope.type, "linear");
  EXPECT_EQ(config.rope.factor, 2);
}

TEST(ModelConfig, ReadsTheOldSpellingOfTheRopeType) {
  EXPECT_EQ(parse(tiny_with("rope_scaling", Json::parse(R"({"type": "linear", "factor": 4})", ""))).rope.factor, 4);
  EXPECT_EQ(parse(tiny_with("dtype", "float16")).dtype, "float16");
}

TEST(ModelConfig, FillsInTheDefaultsOfLlama) {
  const ModelConfig config = parse(tiny());
  EXPECT_EQ(config.kv_heads, 6);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.max_position, 2048);
  EXPECT_EQ(config.rope.type, "default");
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_EQ(config.norm.eps, 1e-6);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_FALSE(config.qkv_bias || config.o_bias || config.mlp_bias);
  EXPECT_EQ(config.window, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_TRUE(config.eos_ids.empty());
  EXPECT_EQ(config.dtype, "");
  EXPECT_DOUBLE_EQ(config.attention_scale, 1 / std::sqrt(8.0));
}

TEST(ModelConfig, FillsInTheDefaultsOfMistral) {
  Json json = tiny_with("model_type", "mistral");
  json.set("num_attention_heads", 16);
  json.set("hidden_size", 64);
  EXPECT_EQ(parse(json).kv_heads, 8);
  EXPECT_EQ(parse(json).window, (std::vector<int64_t>{4096, 4096, 4096}));
  json.set("sliding_window", 7);
  EXPECT_EQ(parse(json).window, (std::vector<int64_t>{7, 7, 7}));
  json.set("sliding_window", nullptr);
  json.set("num_key_value_heads", nullptr);
  EXPECT_EQ(parse(json).window, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(parse(json).kv_heads, 16);
}

ModelConfig family(const char* model_type, Json::Object more = {}) {
  Json json = tiny_with("model_type", model_type);
  json.set("num_key_value_heads", 2);
  for (auto& [key, value] : more) json.set(key, std::move(value));
  return parse(json);
}

TEST(ModelConfig, QwenHasBiasesAndAWindowOnlyWhereItIsSwitchedOn) {
  const ModelConfig qwen2 = family("qwen2");
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.o_bias);
  EXPECT_EQ(qwen2.window, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(family("qwen2", {{"sliding_window", 9}, {"max_window_layers", 1}}).window, (std::vector<int64_t>{0, 0, 0}));
  const Json::Object on = {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 1}};
  EXPECT_EQ(family("qwen2", on).window, (std::vector<int64_t>{0, 9, 9}));
  EXPECT_EQ(family("qwen3").head_dim, 128);
  EXPECT_FALSE(family("qwen3").qkv_bias);
  EXPECT_TRUE(family("qwen3", {{"attention_bias", true}}).o_bias);
}

TEST(ModelConfig, FillsInTheDefaultsOfGemma) {
  const ModelConfig gemma = family("gemma"), gemma2 = family("gemma2");
  EXPECT_EQ(gemma.activation, Activation::gelu_tanh);
  EXPECT_EQ(family("gemma", {{"hidden_act", "gelu"}}).activation, Activation::gelu_tanh);  // as transformers reads it
  EXPECT_EQ(family("llama", {{"hidden_act", "gelu"}}).activation, Activation::gelu);
  EXPECT_EQ(gemma.attention_softcap, 0);
  EXPECT_EQ(gemma2.attention_softcap, 50);
  EXPECT_EQ(gemma2.logit_softcap, 30);
  EXPECT_EQ(gemma2.attention_scale, 1.0 / 16);
  EXPECT_EQ(gemma2.window, (std::vector<int64_t>{4096, 0, 4096}));
  for (const ModelConfig& config : {gemma, gemma2}) {
    EXPECT_EQ(config.norm.weight_offset, 1);
    EXPECT_TRUE(config.norm.rounds_last && config.scaled_embedding && config.tie_word_embeddings);
    EXPECT_EQ(config.head_dim, 256);
  }
  EXPECT_EQ(family("gemma2", {{"attn_logit_softcapping", nullptr}}).attention_softcap, 0);
  EXPECT_EQ(family("gemma2", {{"final_logit_softcapping", nullptr}}).logit_softcap, 0);
  EXPECT_DOUBLE_EQ(family("gemma2", {{"query_pre_attn_scalar", 144}}).attention_scale, 1.0 / 12);
}

TEST(ModelConfig, SmolLm3LeavesEveryFourthLayerUnrotated) {
  const ModelConfig config = family("smollm3", {{"num_hidden_layers", 9}});
  EXPECT_EQ(config.rotary, (std::vector<bool>{true, true, true, false, true, true, true, false, true}));
  EXPECT_EQ(config.rope.theta, 2e6);
  EXPECT_TRUE(config.tie_word_embeddings);
  const Json flags = Json::parse("[0, 1, 1, 0]", "");
  EXPECT_EQ(family("smollm3", {{"no_rope_layers", flags}}).rotary, (std::vector<bool>{false, true, true}));
  const Json::Object window = {{"no_rope_layers", flags}, {"use_sliding_window", true}, {"sliding_window", 9}};
  EXPECT_EQ(family("smollm3", window).window, (std::vector<int64_t>{9, 0, 0}));
}

TEST(ModelConfig, FillsInTheDefaultsOfOlmo2) {
  const ModelConfig config = family("olmo2");
  EXPECT_EQ(config.norm.eps, 1e-5);
  EXPECT_TRUE(config.norm.rounds_last);
  EXPECT_EQ(config.norm.weight_offset, 0);
}

TEST(ModelConfig, LayerTypesMustFitTheModel) {
  const auto refused = [](const char* types, std::vector<std::string> message, Json::Object more = {}) {
    message.push_back("config.json");
    more.emplace_back("layer_types", Json::parse(types, ""));
    expect_bad_file(message, [&] { family("gemma2", more); });
  };
  refused(R"(["full_attention"])", {"layer_types", "3", "1"});
  refused(R"(["full_attention", "full_attention", "chunked_attention"])", {"chunked_attention"});
  refused(R"(["full_attention", "sliding_attention", "full_attention"])", {"sliding_window", "layer 1"},
          {{"sliding_window", nullptr}});
  expect_bad_file({"sliding_window"}, [] { family("gemma2", {{"sliding_window", nullptr}}); });
  expect_bad_file({"no_rope_layers", "3"}, [] { family("smollm3", {{"no_rope_layers", Json::array({1})}}); });
}

TEST(ModelConfig, DynamicRopeKnowsHowFarItIsExact) {
  const Json dynamic = Json::parse(R"({"rope_type": "dynamic", "factor": 4})", "");
  EXPECT_EQ(parse(tiny_with("rope_parameters", dynamic)).rope.original_max_position, 2048);
  EXPECT_EQ(family("llama", {{"rope_scaling", dynamic}, {"max_position_embeddings", 77}}).rope.original_max_position,
            77);
}

TEST(ModelConfig, HeadDimensionIsIndependentOfTheWidth) {
  Json json = tiny_with("head_dim", 128);
  json.set("hidden_size", 50);
  EXPECT_EQ(parse(json).head_dim, 128);
}

TEST(ModelConfig, OldExportsWriteMinusOneForNoPadding) {
  EXPECT_EQ(parse(tiny_with("pad_token_id", -1)).pad_id, std::nullopt);
  EXPECT_EQ(parse(tiny_with("pad_token_id", 99)).pad_id, 99);
}

TEST(ModelConfig, UnknownNamesAreRefusedByName) {
  expect_refused("model_type", R"("mamba")", {"mamba", "llama", "mistral"});
  expect_refused("hidden_act", R"("relu")", {"relu", "silu"});
  expect_refused("rope_scaling", R"({"rope_type": "yarn", "factor": 4})", {"yarn", "llama3"});
  expect_refused("rope_parameters", R"({"rope_type": "longrope", "factor": 4})", {"longrope"});
  expect_refused("rope_parameters", R"({"full_attention": {"rope_theta": 5e5}})", {"full_attention"});
  expect_refused("quantization_config", R"({"bits": 4})", {"quantised"});
}

TEST(ModelConfig, SizesMustBePresentIntegersInRange) {
  for (const char* key :
       {"model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}) {
    expect_refused(key, "null", {"missing"});
  }
  expect_refused("num_hidden_layers", "0", {"1 to 1024"});
  expect_refused("num_hidden_layers", "-3", {"-3"});
  expect_refused("num_hidden_layers", "2000000000", {"2000000000"});
  expect_refused("num_hidden_layers", "9223372036854775807");
  expect_refused("num_hidden_layers", "18446744073709551615");
  expect_refused("num_hidden_layers", "3.0");
  expect_refused("num_hidden_layers", R"("3")");
  expect_refused("vocab_size", "4294967296");
  expect_refused("hidden_size", "true");
  expect_refused("intermediate_size", "[96]");
  expect_refused("head_dim", "7", {"even"});
  expect_refused("head_dim", "0");
  expect_refused("max_position_embeddings", "0");
  expect_refused("hidden_size", "50", {"multiple of 6"});
  expect_bad_file({"head_dim", "even", "3"}, [] { parse(tiny_with("hidden_size", 18)); });
}

TEST(ModelConfig, HeadsMustBeAMultipleOfKeyValueHeads) {
  expect_refused("num_key_value_heads", "4", {"divisor of 6", "4"});
  expect_refused("num_key_value_heads", "12");
  expect_refused("num_key_value_heads", "0");
  EXPECT_EQ(parse(tiny_with("num_key_value_heads", 3)).kv_heads, 3);
}

TEST(ModelConfig, NumbersMustBeFiniteAndInRange) {
  expect_bad_file({}, [] { parse_text(R"({"rope_theta": NaN})"); });
  for (const char* theta : {"-10000.0", "0", "0.5", "1e300", R"("10000")", "true"}) expect_refused("rope_theta", theta);
  for (const char* eps : {"0", "-1e-6", "2"}) expect_refused("rms_norm_eps", eps);
  expect_refused("rope_parameters", R"({"rope_theta": -1.0})", {"rope_parameters.rope_theta", "-1"});
  expect_refused("rope_scaling", R"({"rope_type": "linear", "factor": 0})", {"factor"});
  expect_refused("rope_scaling", R"({"rope_type": "linear"})", {"factor", "missing"});
  expect_refused("rope_scaling", R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
                                     "original_max_position_embeddings": 8192})",
                 {"high_freq_factor"});
  expect_refused("rope_scaling", R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4})",
                 {"original_max_position_embeddings"});
  expect_refused("rope_scaling", R"("llama3")");
  expect_refused("partial_rotary_factor", "0.5");
  expect_refused("initializer_range", "-0.02");
}

TEST(ModelConfig, ContradictionsAreRefused) {
  Json json = tiny_with("rope_theta", 10000.0);
  json.set("rope_parameters", Json::parse(R"({"rope_theta": 500000.0, "rope_type": "default"})", ""));
  expect_bad_file({"rope_theta", "10000", "500000"}, [&] { parse(json); });
  json = tiny_with("rope_scaling", Json::parse(R"({"rope_type": "linear", "factor": 2})", ""));
  json.set("rope_parameters", Json::parse(R"({"rope_type": "default"})", ""));
  expect_bad_file({"rope_scaling"}, [&] { parse(json); });
  expect_refused("rope_scaling", R"({"rope_type": "linear", "type": "llama3", "factor": 2})", {"linear", "llama3"});
}

TEST(ModelConfig, TokenIdsMustLieInTheVocabulary) {
  for (const char* key : {"eos_token_id", "bos_token_id", "pad_token_id"}) expect_refused(key, "100", {"99"});
  expect_refused("eos_token_id", "[5, -1]");
  expect_refused("eos_token_id", R"("2")");
  expect_refused("eos_token_id", "[2.0]");
  EXPECT_EQ(parse(tiny_with("eos_token_id", Json::parse("[7, 5, 7]", ""))).eos_ids, (std::vector<int64_t>{5, 7}));
}

TEST(ModelConfig, StopTokensAreTheUnionWithTheGenerationConfig) {
  const TempFolder folder;
  write_text(folder / "config.json", tiny_with("eos_token_id", 3).dump());
  EXPECT_EQ(read_model_config(folder.path()).eos_ids, (std::vector<int64_t>{3}));
  write_text(folder / "generation_config.json", R"({"eos_token_id": [9, 3, 1], "temperature": 0.6})");
  EXPECT_EQ(read_model_config(folder.path()).eos_ids, (std::vector<int64_t>{1, 3, 9}));
  write_text(folder / "generation_config.json", R"({"eos_token_id": 100})");
  expect_bad_file({"generation_config.json", "eos_token_id"}, [&] { read_model_config(folder.path()); });
}

TEST(ModelConfig, BrokenFilesAreRefused) {
  const TempFolder folder;
  expect_bad_file({"config.json"}, [&] { read_model_config(folder.path()); });
  for (const std::string text : {"", "[]", "{", R"({"model_type": "llama", "model_type": "llama"})"}) {
    write_text(folder / "config.json", text);
    expect_bad_file({"config.json"}, [&] { read_model_config(folder.path()); });
  }
}

TEST(ModelConfig, WrittenConfigReadsBackEqual) {
  Json mistral = tiny_with("model_type", "mistral");
  mistral.set("num_key_value_heads", 2);
  mistral.set("sliding_window", 12);
  mistral.set("eos_token_id", 4);
  mistral.set("pad_token_id", 0);
  std::vector<ModelConfig> configs = {parse_text(kLlama3), parse(tiny()), parse(mistral)};
  for (const std::string& name : supported_model_types()) configs.push_back(family(name.c_str()));
  configs.push_back(family("qwen3", {{"use_sliding_window", true}, {"max_window_layers", 2}, {"sliding_window", 5}}));
  configs.push_back(family("gemma2", {{"query_pre_attn_scalar", 7.5}, {"attn_logit_softcapping", nullptr}}));
  configs.push_back(family("smollm3", {{"no_rope_layers", Json::parse("[0, 1, 0]", "")}}));
  configs.push_back(family("llama", {{"attention_bias", true}, {"hidden_act", "gelu_new"}}));
  for (const ModelConfig& config : configs) {
    const Json written = model_config_json(config, "float32");
    const ModelConfig again = parse(Json::parse(written.dump(2), "written"));
    EXPECT_EQ(model_config_json(again, "float32"), written);
    EXPECT_EQ(again.dtype, "float32");
    EXPECT_EQ(again.window, config.window);
    EXPECT_EQ(again.eos_ids, config.eos_ids);
    EXPECT_EQ(again.rope.theta, config.rope.theta);
    EXPECT_EQ(again.rope.type, config.rope.type);
    EXPECT_EQ(again.head_dim, config.head_dim);
    EXPECT_EQ(again.rotary, config.rotary);
    EXPECT_EQ(again.activation, config.activation);
    EXPECT_EQ(again.attention_scale, config.attention_scale);
    EXPECT_EQ(again.attention_softcap, config.attention_softcap);
    EXPECT_EQ(again.logit_softcap, config.logit_softcap);
    EXPECT_EQ(again.norm.eps, config.norm.eps);
    EXPECT_TRUE(again.qkv_bias == config.qkv_bias && again.o_bias == config.o_bias);
  }
}

TEST(ModelConfig, WritesBothSpellings) {
  const Json json = model_config_json(parse_text(kLlama3), "bfloat16");
  EXPECT_EQ(json.at("rope_theta", "").as_double(""), 500000);
  EXPECT_EQ(json.at("rope_scaling", "").at("rope_type", "").as_string(""), "llama3");
  EXPECT_EQ(json.at("rope_parameters", "").at("rope_theta", "").as_double(""), 500000);
  EXPECT_EQ(json.at("torch_dtype", "").as_string(""), "bfloat16");
  EXPECT_EQ(json.at("dtype", "").as_string(""), "bfloat16");
  EXPECT_EQ(json.at("architectures", "").as_array("")[0].as_string(""), "LlamaForCausalLM");
}

}  // namespace
}  // namespace bt
