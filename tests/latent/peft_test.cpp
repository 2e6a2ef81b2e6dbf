// Adapters to and from PEFT folders; the fixtures and what they compute come from peft (make_peft_fixtures.py).
#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/peft_config.h"
#include "bt/format/safetensors.h"
#include "bt/latent/saved_method.h"
#include "bt/model/named_tensors.h"
#include "model/model_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

const std::string kBackbone = BT_SOURCE_DIR "/tests/model/fixtures/llama_gqa";
const std::string kFixtures = BT_SOURCE_DIR "/tests/latent/fixtures/";

at::Tensor read(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  at::Tensor out = at::empty(entry->shape, entry->dtype == DType::i64 ? at::kLong : at::kFloat);
  std::memcpy(out.mutable_data_ptr(), file.data(*entry).data(), out.nbytes());
  return out;
}

SavedMethod open_adapters(const std::string& folder, const Backbone& backbone) {
  return load_saved_method(folder, {kBackbone, backbone.decoder.config, "tokenizer", "weights"},
                           backbone.decoder.options());
}

class FromPeft : public ::testing::TestWithParam<const char*> {};

TEST_P(FromPeft, AFolderOfPeftGivesItsLogits) {
  const at::NoGradGuard no_grad;
  const Backbone backbone = load_backbone(kBackbone, at::kDouble, false);
  const SavedMethod saved = open_adapters(kFixtures + GetParam(), backbone);
  EXPECT_EQ(saved.method->name(), "lora");
  const SafetensorsFile expected(kFixtures + GetParam() + "/expected.safetensors");
  const at::Tensor ids = read(expected, "ids"), wanted = read(expected, "logits");
  EXPECT_LT(test::greatest_difference(test::whole_logits(saved.method->attach(backbone.decoder), ids), wanted), 1e-4);
  EXPECT_GT(test::greatest_difference(test::whole_logits(backbone.decoder, ids), wanted), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, FromPeft, ::testing::Values("peft", "peft_rslora"),
                         [](const auto& one) { return std::string(one.param); });

// check_peft_loads.py opens this folder with peft.
TEST(Peft, WhatIsSavedIsAPeftFolderAndGivesTheSameLogits) {
  const at::NoGradGuard no_grad;
  const Backbone backbone = load_backbone(kBackbone, at::kFloat, false);
  LoraOptions options;
  options.rank = 5;
  options.alpha = 7.5;
  options.targets = {"v", "o", "gate"};
  const auto method = make_method("lora", options, {backbone.decoder.config, at::kFloat, 4});
  method->parameters()->flat().add_(0.1);
  const std::string folder = BT_BINARY_DIR "/saved_adapters";
  std::filesystem::create_directories(folder);
  save_method(folder, *method, options, {kBackbone, backbone.decoder.config, "tokenizer", "weights"});

  const SafetensorsFile file(str(folder, "/", kPeftWeightsName));
  EXPECT_EQ(file.header().tensors.size(), 2u * 2u * 3u);
  const TensorEntry* entry = file.find("base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->shape, (std::vector<int64_t>{5, 32}));
  EXPECT_NE(file.find("base_model.model.model.layers.0.mlp.gate_proj.lora_B.weight"), nullptr);

  const SavedMethod again = open_adapters(folder, backbone);
  const at::Tensor ids = at::arange(3, 26, at::kLong);
  const at::Tensor logits = test::whole_logits(method->attach(backbone.decoder), ids);
  EXPECT_TRUE(at::equal(test::whole_logits(again.method->attach(backbone.decoder), ids), logits));
  save_tensors(folder + "/expected.safetensors", {{"logits", logits}, {"ids", ids.to(at::kFloat)}});
}

TEST(Peft, PickledAdaptersAreNotRead) {
  const Backbone backbone = load_backbone(kBackbone, at::kFloat, false);
  const std::string folder = ::testing::TempDir() + "bt_pickled_adapters";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(kFixtures + "peft/adapter_config.json", folder + "/adapter_config.json",
                             std::filesystem::copy_options::overwrite_existing);
  try {
    open_adapters(folder, backbone);
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), HasSubstr("never read"));
  }
  std::filesystem::remove_all(folder);
}

TEST(Peft, AdaptersThatDoNotFitAreRefusedByName) {
  const Backbone backbone = make_backbone(test::small_config(), at::kFloat, 1, false);
  try {
    open_adapters(kFixtures + "peft", backbone);
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), HasSubstr("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"));
  }
}

}  // namespace
}  // namespace bt
