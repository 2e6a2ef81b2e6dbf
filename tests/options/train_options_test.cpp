#include "bt/options/train_options.h"

#include <gmock/gmock.h>

#include <fstream>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSft = R"(run: {out: runs/a}
model: {path: backbone}
data: {train: [train.jsonl]}
)";

constexpr const char* kLatent = R"(run:
  out: runs/b
model:
  path: backbone
latent:
  method: bt
  recall: 4
data:
  train: [train.jsonl]
)";

ExperimentOptions read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  ConfigNode root = parse_yaml(yaml, "run.yaml");
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  ExperimentOptions options;
  read_options(root, options);
  return options;
}

std::string usage_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(ExperimentOptions, WithoutLatentIsPlainFineTuning) {
  const ExperimentOptions options = read(kSft);
  EXPECT_TRUE(options.method.empty());
  EXPECT_EQ(options.latent, nullptr);
  EXPECT_EQ(options.trigger().kind, "none");
  EXPECT_FALSE(options.trigger().at_prompt_end);
}

TEST(ExperimentOptions, LatentNamesAMethodAndItsOptions) {
  const ExperimentOptions options = read(kLatent);
  EXPECT_EQ(options.method, "bt");
  EXPECT_EQ(dynamic_cast<const BtOptions&>(*options.latent).rows.recall, 4);
  EXPECT_EQ(options.trigger().kind, "newline");
}

TEST(ExperimentOptions, MisspeltKeysNamePlaceAndNearestName) {
  std::string misspelt = kLatent;
  misspelt.replace(misspelt.find("recall:"), 7, "recal:");
  const std::string message = usage_error([&] { read(misspelt); });
  EXPECT_THAT(message, HasSubstr("run.yaml:7:3"));
  EXPECT_THAT(message, HasSubstr("recall"));
  EXPECT_THAT(usage_error([] { read(kSft, {"train.learning_rat=1"}); }), HasSubstr("command line"));
}

TEST(ExperimentOptions, OverridesReachMethodOptions) {
  const ExperimentOptions options = read(kLatent, {"latent.recall=9", "--train.lr=3e-4", "latent.trigger.max_calls=2"});
  EXPECT_EQ(dynamic_cast<const BtOptions&>(*options.latent).rows.recall, 9);
  EXPECT_DOUBLE_EQ(options.train.lr, 3e-4);
  EXPECT_EQ(options.trigger().max_calls, 2);
}

TEST(ExperimentOptions, ResolvedConfigReadsBackEqual) {
  ExperimentOptions options = read(kLatent, {"train.steps=12", "train.bptt_steps=full", "latent.preset=paper"});
  const std::string written = write_options_yaml(options);
  ExperimentOptions again = read(written);
  EXPECT_EQ(write_options_yaml(again), written);
  EXPECT_THAT(config_differences(parse_yaml(written, "a"), parse_yaml(write_options_yaml(again), "b")),
              ::testing::IsEmpty());
}

TEST(ExperimentOptions, ValidationNeedsAFile) {
  EXPECT_THAT(usage_error([] { read(kSft, {"train.validate_every=5"}); }), HasSubstr("data.validation"));
}

TEST(ModelOptions, IsAFolderOrSizesButNotBoth) {
  EXPECT_THAT(usage_error([] { read(kSft, {"model.layers=2"}); }), HasSubstr("model.path and sizes"));
  EXPECT_THAT(usage_error([] { read("{run: {out: a}, model: {layers: 2}, data: {train: [a]}}"); }),
              HasSubstr("only some"));
  EXPECT_THAT(usage_error([] { read("{run: {out: a}, data: {train: [a]}}"); }), HasSubstr("no model"));
}

TEST(ModelOptions, LoadIsOneOfTheModes) {
  EXPECT_EQ(read(kSft).model.load, "read");
  EXPECT_EQ(read(kSft, {"model.load=mmap"}).model.load, "mmap");
  EXPECT_THAT(usage_error([] { read(kSft, {"model.load=pread"}); }), HasSubstr("mmap"));
}

TEST(ModelOptions, ScratchConfigFillsWhatIsAbsent) {
  const ExperimentOptions options = read(
      "{run: {out: a}, data: {train: [a]}, model: {tokenizer: bytes, hidden_size: 48, intermediate_size: 100, layers: "
      "3, "
      "heads: 6, kv_heads: 2}}");
  const auto tokenizer = load_tokenizer("bytes");
  const ModelConfig config = options.model.scratch_config(*tokenizer);
  EXPECT_EQ(config.vocab_size, tokenizer->vocab_size());
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.window, std::vector<int64_t>(3, 0));
  EXPECT_DOUBLE_EQ(config.attention_scale * config.attention_scale, 1.0 / 8);
  EXPECT_EQ(config.eos_ids.size(), 1u);
}

TEST(ModelOptions, RefusesHeadsThatDoNotFit) {
  const std::string scratch =
      "{run: {out: a}, data: {train: [a]}, model: {tokenizer: bytes, hidden_size: 48, intermediate_size: 9, layers: 1, "
      "heads: ";
  EXPECT_THAT(usage_error([&] { read(scratch + "5}}"); }), HasSubstr("divisor of 48"));
  EXPECT_THAT(usage_error([&] { read(scratch + "16}}"); }), HasSubstr("even head width"));
  EXPECT_THAT(usage_error([&] { read(scratch + "6, kv_heads: 4}}"); }), HasSubstr("model.kv_heads"));
}

TEST(ModelOptions, WhatTheyTakeMakesAModel) {
  const std::string sizes =
      "{run: {out: a}, data: {train: [a]}, model: {tokenizer: bytes, hidden_size: 48, intermediate_size: 9, layers: 1, "
      "heads: 6}}";
  for (const char* bad : {"hidden_size=1572864", "intermediate_size=1048577", "rope_theta=2e12", "rms_norm_eps=1e-13",
                          "rms_norm_eps=0", "initializer_range=101", "head_dim=4098", "hidden_size=24588"}) {
    const std::string key = str("model.", std::string(bad).substr(0, std::string(bad).find('=')));
    EXPECT_THAT(usage_error([&] { read(sizes, {str("model.", bad)}); }), HasSubstr(key)) << bad;
  }
  const auto tokenizer = load_tokenizer("bytes");
  for (const std::vector<std::string>& widest :
       {std::vector<std::string>{"model.hidden_size=1048576", "model.intermediate_size=1048576", "model.heads=256"},
        {"model.rope_theta=1e12", "model.rms_norm_eps=1e-12", "model.initializer_range=100", "model.head_dim=4096"},
        {"model.rope_theta=1", "model.rms_norm_eps=1", "model.initializer_range=0", "model.max_position=16777216"}}) {
    EXPECT_NO_THROW(read(sizes, widest).model.scratch_config(*tokenizer)) << widest[0];
  }
}

TEST(DataOptions, TrainingNeedsAFile) {
  EXPECT_THAT(usage_error([] { read(kSft, {"data.train=[]"}); }), HasSubstr("data.train"));
}

TEST(TrainOptions, AdamWDividesByMoreThanNothing) {
  EXPECT_THAT(usage_error([] { read(kSft, {"train.eps=0"}); }), HasSubstr("train.eps"));
  EXPECT_DOUBLE_EQ(read(kSft, {"train.eps=1e-20"}).train.eps, 1e-20);
}

TEST(TrainOptions, StepsOrEpochsGiveTheLength) {
  EXPECT_EQ(read(kSft).train.total_steps(33), 3);  // one epoch of batches of 16
  EXPECT_EQ(read(kSft, {"train.epochs=2.5", "train.batch_size=4", "train.accumulate=2"}).train.total_steps(16), 5);
  EXPECT_EQ(read(kSft, {"train.steps=7"}).train.total_steps(1000), 7);
  EXPECT_THAT(usage_error([] { read(kSft, {"train.steps=7", "train.epochs=1"}); }), HasSubstr("both given"));
}

TEST(TrainOptions, BpttStepsIsACountOrFull) {
  EXPECT_EQ(read(kSft).train.boundaries_per_graph(), 1);
  EXPECT_EQ(read(kSft, {"train.bptt_steps=3"}).train.boundaries_per_graph(), 3);
  EXPECT_EQ(read(kSft, {"train.bptt_steps=full"}).train.boundaries_per_graph(), 0);
  for (const char* bad : {"0", "-1", "ful", "1.5", "2x", "''"}) {
    EXPECT_THAT(usage_error([&] { read(kSft, {std::string("train.bptt_steps=") + bad}); }), HasSubstr("bptt_steps"))
        << bad;
  }
}

TEST(TrainOptions, BetasAreTwoNumbersBelowOne) {
  EXPECT_THAT(usage_error([] { read(kSft, {"train.betas=[0.9]"}); }), HasSubstr("train.betas"));
  EXPECT_THAT(usage_error([] { read(kSft, {"train.betas=[0.9, 1]"}); }), HasSubstr("train.betas"));
}

TEST(RunOptions, KnowsItsDevices) {
  for (const char* good : {"cpu", "cuda", "cuda:0", "cuda:12", "auto"}) {
    EXPECT_EQ(read(kSft, {std::string("run.device=") + good}).run.device, good);
  }
  for (const char* bad : {"gpu", "cuda:", "cuda:x", "cuda:1234"}) {
    EXPECT_THAT(usage_error([&] { read(kSft, {std::string("run.device=") + bad}); }), HasSubstr("run.device")) << bad;
  }
}

TEST(ConfigDifferences, NameEveryKeyThatMayNotChange) {
  const ConfigNode before =
      parse_yaml("{run: {out: a, seed: 1}, train: {betas: [0.9, 0.95]}, log: {every: 1}}", "before");
  const ConfigNode after = parse_yaml(
      "{run: {out: b, seed: 2}, model: {load: mmap}, train: {betas: [0.9]}, log: {every: 2}, x: 1}", "after");
  const auto differences = config_differences(before, after);
  ASSERT_EQ(differences.size(), 4u);
  EXPECT_EQ(differences[0].key, "run.seed");
  EXPECT_EQ(differences[0].before, "1");
  EXPECT_EQ(differences[0].after, "2");
  EXPECT_EQ(differences[2].key, "train.betas[]");
  EXPECT_EQ(differences[3].key, "x");
  EXPECT_EQ(differences[3].before, "-");
}

TEST(ReadConfig, MissingFileIsAUsageError) {
  EXPECT_THAT(usage_error([] { read_config("no/such/config.yaml", {}); }), HasSubstr("no/such/config.yaml"));
}

}  // namespace
}  // namespace bt
