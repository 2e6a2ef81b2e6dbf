// Small models over bytes for the tests of evaluation.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "bt/eval/inference_model.h"
#include "support/tiny.h"

namespace bt::testing {

inline constexpr int32_t kByteEos = 257;

inline ModelConfig byte_config() {
  ModelConfig config = tiny_config();
  config.vocab_size = 259;
  config.eos_ids = {kByteEos};
  return config;
}

// Random weights, whose greedy text is arbitrary bytes.
inline InferenceModel random_model(at::ScalarType dtype = at::kDouble) {
  InferenceModel model;
  model.path = "random";
  model.tokenizer = load_tokenizer("bytes");
  model.boundaries = BoundaryTable(*model.tokenizer, byte_config().vocab_size);
  model.backbone = tiny_backbone(byte_config(), false, dtype);
  model.eos_ids = {kByteEos};
  model.trigger = {.kind = "none", .at_prompt_end = false};
  model.training = std::make_unique<TrainingText>(TrainingText{"{question}\n", false, true});
  return model;
}

inline void add_method(InferenceModel& model, std::string_view name, std::unique_ptr<Options> options,
                       const TriggerOptions& trigger) {
  const MethodContext context{model.decoder().config, model.decoder().options(), 5};
  model.latent.method = make_method(name, *options, context);
  model.latent.options = std::move(options);
  model.trigger = trigger;
}

inline void add_bt(InferenceModel& model, const TriggerOptions& trigger = {.kind = "every_n", .every_n = 3}) {
  add_method(model, "bt", std::make_unique<BtOptions>(tiny_bt()), trigger);
}

// Writes script[i + 1] after script[i], whatever came before, and ends after the last character. All differ.
inline InferenceModel scripted_model(std::string_view script) {
  InferenceModel model = random_model(at::kDouble);
  ModelConfig config = byte_config();
  config.hidden_size = 64;
  model.backbone = tiny_backbone(config, false);
  for (const auto& [name, tensor] : model.backbone.parameters->named()) {
    if (name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") || name == "lm_head.weight")
      tensor.zero_();
  }
  const Decoder& decoder = model.decoder();
  for (size_t i = 0; i < script.size(); ++i) {
    const int32_t next = i + 1 < script.size() ? static_cast<unsigned char>(script[i + 1]) : kByteEos;
    decoder.head[next].copy_(decoder.embedding[static_cast<unsigned char>(script[i])]);
  }
  return model;
}

// A folder that is removed at the end of the test.
class EvalTest : public ::testing::Test {
 protected:
  EvalTest() { std::filesystem::create_directories(folder_); }
  ~EvalTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      ("bt_eval_test_" + std::to_string(getpid()) + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

}  // namespace bt::testing
