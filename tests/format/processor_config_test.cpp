#include "bt/format/processor_config.h"

#include "bt/core/config_node.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;
using test::names_in;
using test::read_text;
using test::TempFolder;
using test::write_text;

ProcessorConfig sample() {
  ModelConfig model;
  model.layers = 3;
  model.heads = 6;
  model.kv_heads = 2;
  model.head_dim = 8;
  model.hidden_size = 48;
  model.vocab_size = 100;
  model.rope.theta = 500000;
  return {.method = "bt",
          .options = "recall: 32\nwindow: step\nids: [3, 5]\nrate: 1e-05\ntext: \"32\"\ntrigger:\n  on: true\n",
          .base_model = "models/tiny",
          .base = base_shape(model, "0123abcd", "77aa")};
}

TEST(ProcessorConfig, ReadsBackWhatWasWritten) {
  const TempFolder folder;
  const ProcessorConfig written = sample();
  write_processor_config(folder.path(), written);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"processor_config.json"});
  const ProcessorConfig read = read_processor_config(folder.path());
  EXPECT_EQ(read.method, "bt");
  const Json options = Json::parse_file(folder / "processor_config.json").at("options", "");
  EXPECT_EQ(
      options.dump(),
      "{\"recall\":32,\"window\":\"step\",\"ids\":[3,5],\"rate\":1e-05,\"text\":\"32\",\"trigger\":{\"on\":true}}");
  const ConfigNode again = parse_yaml(read.options, "options");
  EXPECT_EQ(again.find("recall")->scalar, "32");
  EXPECT_EQ(again.find("ids")->items.size(), 2u);
  EXPECT_TRUE(again.find("text")->quoted);
  EXPECT_EQ(again.find("trigger")->find("on")->scalar, "true");
  EXPECT_EQ(read.base_model, "models/tiny");
  EXPECT_EQ(read.base.model_type, "llama");
  EXPECT_EQ(read.base.layers, 3);
  EXPECT_EQ(read.base.heads, 6);
  EXPECT_EQ(read.base.kv_heads, 2);
  EXPECT_EQ(read.base.head_dim, 8);
  EXPECT_EQ(read.base.hidden_size, 48);
  EXPECT_EQ(read.base.vocab_size, 100);
  EXPECT_EQ(read.base.rope_type, "default");
  EXPECT_EQ(read.base.rope_theta, 500000);
  EXPECT_EQ(read.base.tokenizer_sha256, "0123abcd");
  EXPECT_EQ(read.base.weights_sha256, "77aa");
  check_base(read.base, written.base, "saved");
}

TEST(ProcessorConfig, EveryDifferenceOfTheDecoderIsRefusedAndNamed) {
  const BaseShape trained = sample().base;
  const auto expect_refused = [&](void (*change)(BaseShape&), const std::vector<std::string>& message) {
    BaseShape other = trained;
    change(other);
    expect_bad_file(message, [&] { check_base(trained, other, "final/processor_config.json"); });
  };
  expect_refused([](BaseShape& s) { s.model_type = "mistral"; },
                 {"final/processor_config.json", "model_type", "llama", "mistral"});
  expect_refused([](BaseShape& s) { s.layers = 4; }, {"num_hidden_layers 3", "num_hidden_layers 4"});
  expect_refused([](BaseShape& s) { s.heads = 4; }, {"num_attention_heads 6", "num_attention_heads 4"});
  expect_refused([](BaseShape& s) { s.kv_heads = 6; }, {"num_key_value_heads 2", "num_key_value_heads 6"});
  expect_refused([](BaseShape& s) { s.head_dim = 16; }, {"head_dim 8", "head_dim 16"});
  expect_refused([](BaseShape& s) { s.hidden_size = 64; }, {"hidden_size 48", "hidden_size 64"});
  expect_refused([](BaseShape& s) { s.vocab_size = 101; }, {"vocab_size 100", "vocab_size 101"});
  expect_refused([](BaseShape& s) { s.rope_type = "llama3"; }, {"rope_type", "default", "llama3"});
  expect_refused([](BaseShape& s) { s.rope_theta = 10000; }, {"rope_theta 5e+05", "rope_theta 10000"});
  expect_refused([](BaseShape& s) { s.tokenizer_sha256 = "ffff"; }, {"tokenizer_sha256", "0123abcd", "ffff"});
  expect_refused([](BaseShape& s) { s.weights_sha256 = "78aa"; },
                 {"another decoder", "weights_sha256 \"77aa\"", "weights_sha256 \"78aa\"", "--allow-other-backbone"});
  expect_refused([](BaseShape& s) { s.layers = 4, s.vocab_size = 7; }, {"num_hidden_layers 4", "vocab_size 7"});
}

TEST(ProcessorConfig, AnOverrideExcusesOtherWeightsButNoOtherShape) {
  const BaseShape trained = sample().base;
  BaseShape other = trained;
  other.weights_sha256 = "78aa";
  other.tokenizer_sha256 = "ffff";
  check_base(trained, other, "final", /*allow_other=*/true);
  other.hidden_size = 64;
  expect_bad_file({"hidden_size 64"}, [&] { check_base(trained, other, "final", /*allow_other=*/true); });
}

TEST(ProcessorConfig, BrokenFilesAreRefusedWithTheirKey) {
  const TempFolder folder;
  expect_bad_file({"processor_config.json"}, [&] { read_processor_config(folder.path()); });
  write_processor_config(folder.path(), sample());
  const std::string path = folder / "processor_config.json";
  const Json good = Json::parse_file(path);
  const auto expect_refused = [&](const std::string& key, Json value, const std::string& message) {
    Json bad = good;
    bad.set(key, std::move(value));
    write_text(path, bad.dump());
    expect_bad_file({"processor_config.json", message}, [&] { read_processor_config(folder.path()); });
  };
  expect_refused("format_version", 3, "newer");
  expect_refused("format_version", 1, "older");
  expect_refused("options", "recall: 32", "options");
  expect_refused("format_version", nullptr, "format_version");
  expect_refused("method", 5, "method");
  expect_refused("base_model", Json::object(), "base_model.model_type");
  Json base = good.at("base_model", "");
  base.set("num_hidden_layers", -1);
  expect_refused("base_model", base, "base_model.num_hidden_layers");
}

}  // namespace
}  // namespace bt
