// Small runs for the trainer's tests: synthetic problems, the byte tokenizer, a decoder of a few thousand weights.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/data/problems.h"
#include "bt/model/decoder.h"
#include "bt/options/train_options.h"
#include "bt/text/tokenizer.h"
#include "bt/train/trainer.h"

namespace bt {

class TrainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "bt_" + test->test_suite_name() + "_" + test->name();
    for (char& c : folder_) c = c == '/' && &c > &folder_[::testing::TempDir().size()] ? '_' : c;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    write_problems("train.jsonl", 1, 14);
    write_problems("validation.jsonl", 2, 5);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write_problems(const std::string& name, uint64_t seed, int64_t count) const {
    std::ofstream(path(name)) << problems_jsonl(make_problems({.min_steps = 1, .max_steps = 3}, seed, count));
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // A backbone as a Hugging Face folder, for methods that need one; its random weights are large enough for the cache
  // to matter.
  std::string make_model(at::ScalarType dtype = at::kFloat) const {
    const auto tokenizer = load_tokenizer("bytes");
    const ModelConfig config = read(sft_config(), {"model.initializer_range=0.4"}).model.scratch_config(*tokenizer);
    const Backbone backbone = make_backbone(config, at::TensorOptions(dtype), 7, false);
    std::filesystem::create_directories(path("model"));
    save_backbone(backbone, path("model"));
    tokenizer->save(path("model"));
    return path("model");
  }

  std::string common_config() const {
    return "run: {out: " + path("run") + ", seed: 3, threads: 1, device: cpu}\n" + "data: {train: [" +
           path("train.jsonl") + "], validation: [" + path("validation.jsonl") + "]}\n" +
           "train: {steps: 9, batch_size: 2, accumulate: 2, lr: 3e-3, warmup_steps: 2, weight_decay: 0.1, "
           "validate_every: 4}\n" +
           "checkpoint: {every: 3, keep_last: 9}\nlog: {every: 1, tensorboard: false}\n";
  }
  std::string sft_config() const { return common_config() + "model: {tokenizer: bytes, layers: 2, " + sizes_ + "}\n"; }
  std::string latent_config(const std::string& latent) const {
    return common_config() + "model: {path: " + path("model") + "}\nlatent: " + latent + "\n";
  }
  std::string bt_config() const {
    return latent_config("{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0}");
  }
  std::string recent_only_config() const {
    return latent_config("{method: recent_only, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0}");
  }
  std::string lora_config() const { return latent_config("{method: lora, rank: 2}"); }

  static ExperimentOptions read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    ConfigNode root = parse_yaml(yaml, "test.yaml");
    for (const std::string& assignment : overrides) apply_override(root, assignment);
    ExperimentOptions options;
    read_options(root, options);
    return options;
  }
  static TrainingSetup open(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    return open_setup(read(yaml, overrides));
  }

  // metrics.jsonl of a run without what differs from session to session.
  static std::vector<std::string> figures(const std::string& run_folder) {
    std::vector<std::string> lines;
    std::ifstream file(run_folder + "/metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const Json object = Json::parse(line, "metrics.jsonl");
      Json kept = Json::object();
      for (const auto& [key, value] : object.as_object("line")) {
        if (key != "tokens_per_s" && key != "elapsed_s" && key != "training_s" && key != "max_memory_bytes")
          kept.set(key, value);
      }
      lines.push_back(kept.dump());
    }
    return lines;
  }

  std::string folder_;
  std::string sizes_ = "hidden_size: 16, intermediate_size: 28, heads: 4, kv_heads: 2";  // of sft_config()
};

// Everything that is trained, as one vector.
inline at::Tensor weights(const TrainingSetup& setup) {
  std::vector<at::Tensor> parts;
  for (const ParameterStore* store : setup.trained()) parts.push_back(store->masters().clone());
  return at::cat(parts);
}

}  // namespace bt
