#include "bt/train/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "bt/text/json_lines.h"
#include "bt/train/calibration.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

TEST_F(TrainerTest, LossIsTheMeanOverSupervisedTokens) {
  Trainer trainer(open(sft_config(), {"model.initializer_range=0"}), "none");  // every token is equally likely
  EXPECT_NEAR(trainer.step().loss, std::log(static_cast<double>(trainer.setup().tokenizer->vocab_size())), 1e-5);
}

TEST_F(TrainerTest, FrozenBackboneStaysAsItIs) {
  Trainer trainer(open(config_of("bt")), "none");
  const at::Tensor before = trainer.setup().backbone.parameters->flat().clone();
  trainer.step();
  EXPECT_TRUE(at::equal(trainer.setup().backbone.parameters->flat(), before));
}

TEST_F(TrainerTest, ANewCoprocessorStartsFromTheBackbone) {
  const TrainingSetup setup = open(config_of("dca"));
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  EXPECT_TRUE(at::equal(setup.method->parameters()->leaf(name), setup.backbone.parameters->leaf(name)));
}

TEST_F(TrainerTest, TheBackboneIsReadInTheModeAsked) {
  const auto backbone = [&](const std::string& load) {
    ExperimentOptions options = read(config_of("bt"));
    options.model.load = load;
    return open_setup(std::move(options)).backbone.parameters->flat();
  };
  EXPECT_TRUE(at::equal(backbone("mmap"), backbone("read")));
  EXPECT_THROW(backbone("other"), std::logic_error);  // which the options themselves do not let through
}

TEST_F(TrainerTest, NonFiniteLossStopsTheRunAndLeavesTheCheckpoint) {
  Trainer trainer(
      open(sft_config(), {"train.lr=1e30", "train.warmup_steps=0", "checkpoint.every=1", "train.clip_norm=0"}), "none");
  const Error error = error_of([&] { trainer.run(); });
  EXPECT_EQ(error.code(), ExitCode::numerical);
  EXPECT_THAT(error.what(), HasSubstr("step "));
  EXPECT_TRUE(std::filesystem::exists(path("run/checkpoints/step_1/manifest.json")));
}

TEST_F(TrainerTest, SkippedStepsLeaveTheWeightsAndEndAtTheLimit) {
  Trainer trainer(open(sft_config(), {"train.on_nonfinite=skip", "train.skip_limit=3"}), "none");
  trainer.step();
  trainer.setup().backbone.parameters->flat()[0] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor before = weights(trainer.setup());
  EXPECT_TRUE(trainer.step().skipped);
  EXPECT_TRUE(trainer.step().skipped);
  EXPECT_TRUE(at::equal(at::nan_to_num(weights(trainer.setup())), at::nan_to_num(before)));
  EXPECT_EQ(error_of([&] { trainer.step(); }).code(), ExitCode::numerical);
}

TEST_F(TrainerTest, AnotherConfigIsRefusedWithWhatDiffers) {
  Trainer(open(sft_config()), "none").run();
  const Error error = error_of([&] { Trainer(open(sft_config(), {"train.lr=1e-4", "log.every=2"}), "auto"); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_THAT(error.what(), HasSubstr("train.lr: 0.003 -> 1e-04"));
  EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("log.every")));
}

TEST_F(TrainerTest, ChangedDataIsRefused) {
  Trainer(open(sft_config()), "none").run();
  write_problems("train.jsonl", 5, 14);
  EXPECT_EQ(error_of([&] { Trainer(open(sft_config()), "auto"); }).code(), ExitCode::bad_file);
}

TEST_F(TrainerTest, AFinishedRunHasNothingToDo) {
  Trainer(open(sft_config()), "none").run();
  EXPECT_TRUE(Trainer(open(sft_config()), "auto").done());
}

TEST_F(TrainerTest, ResumeFromAPathDropsLaterCheckpoints) {
  Trainer(open(sft_config()), "none").run();
  const Trainer trainer(open(sft_config()), path("run/checkpoints/step_3"));
  EXPECT_EQ(trainer.state().step, 3);
  EXPECT_FALSE(std::filesystem::exists(path("run/checkpoints/step_6")));
  EXPECT_EQ(error_of([&] { Trainer(open(sft_config()), path("nowhere")); }).code(), ExitCode::bad_file);
}

TEST_F(TrainerTest, AModelWithoutAWholeCheckpointIsNotReplacedUnasked) {
  Trainer(open(sft_config()), "none").run();
  std::filesystem::remove_all(path("run/checkpoints"));
  EXPECT_EQ(error_of([&] { Trainer(open(sft_config()), "auto"); }).code(), ExitCode::usage);
  EXPECT_TRUE(std::filesystem::exists(path("run/final/config.json")));
}

TEST_F(TrainerTest, UntrainedControlsAreSavedAtOnce) {
  Trainer trainer(open(config_of("mean_shift")), "none");
  EXPECT_EQ(trainer.total_steps(), 0);
  EXPECT_TRUE(trainer.run());
  EXPECT_TRUE(std::filesystem::exists(path("run/final/processor_config.json")));
  EXPECT_EQ(figures(path("run")).size(), 1u);  // its validation
}

TEST_F(TrainerTest, AFolderThatCannotBeMadeIsAnIoError) {
  std::ofstream(path("file")) << "x";
  const Error error = error_of([&] { Trainer(open(sft_config(), {"run.out=" + path("file/run")}), "none"); });
  EXPECT_EQ(error.code(), ExitCode::io);
}

TEST_F(TrainerTest, MetricsThatCannotBeWrittenAreAnIoError) {
  Trainer trainer(open(sft_config()), "none");
  std::filesystem::create_directories(path("run/metrics.jsonl"));
  EXPECT_EQ(error_of([&] { trainer.run(); }).code(), ExitCode::io);
}

// The stream that enters layer 1, of one text by itself.
at::Tensor stream_of(const Decoder& decoder, const Example& text, bool last) {
  struct Listener final : Method {
    explicit Listener(bool last_in) : last_token(last_in) {}
    std::string_view name() const override { return "listener"; }
    std::optional<ContrastTexts> contrast() const override { return ContrastTexts{"", "", last_token}; }
    void measure_contrast(int64_t layer, const at::Tensor& positive_RC, const at::Tensor&) override {
      if (layer == 1) row = positive_RC[0];
    }
    bool last_token;
    at::Tensor row;
  } listener(last);
  measure_contrast(listener, decoder, {text}, {text});
  return listener.row;
}

// Steering towards short problems, away from long ones.
std::string measured_steering(const std::string& folder, const char* measured_on) {
  return "{method: steer, direction: mean_difference, strength: 3, layers: [1], measured_on: " +
         std::string(measured_on) + ", positive: " + folder + "/train.jsonl, negative: " + folder +
         "/validation.jsonl}";
}

TEST_F(TrainerTest, AMethodWithoutParametersIsMeasuredValidatedAndSavedWithoutSteps) {
  make_model();
  const std::string config = latent_config(measured_steering(folder_, "response"));
  Trainer trainer(open(config, {"train.steps=0", "run.dtype=float64"}), "none");
  ASSERT_TRUE(trainer.run());
  EXPECT_EQ(trainer.state().step, 0);
  ASSERT_TRUE(trainer.state().best_loss.has_value());

  const TrainingSetup again = open(config, {"run.dtype=float64"});
  const double plain = [&] {
    const Trainer untouched(open(latent_config("{method: steer}"), {"run.out=" + path("plain"), "run.dtype=float64"}),
                            "none");
    return untouched.validate().loss;
  }();
  EXPECT_GT(std::abs(*trainer.state().best_loss - plain), 1e-6);
  const SavedMethod saved = load_saved_method(
      path("run/final"), {path("model"), again.decoder().config, again.tokenizer->fingerprint(), again.backbone_sha256},
      again.decoder().options());
  const at::Tensor direction = trainer.setup().method->effects().steer->direction_K(1, {});
  EXPECT_GT(direction.abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(saved.method->effects().steer->direction_K(1, {}), direction));
  EXPECT_FALSE(saved.method->effects().steer->direction_K(0, {}).defined());
}

TEST_F(TrainerTest, AMeasuredDirectionIsTheDifferenceOfMeansTimesItsStrength) {
  make_model();
  for (const char* measured_on : {"response", "last"}) {
    Trainer trainer(open(latent_config(measured_steering(folder_, measured_on)), {"run.dtype=float64"}), "none");
    const TrainingSetup& setup = trainer.setup();
    const auto mean_row = [&](const Dataset& data) {
      std::vector<at::Tensor> rows;
      for (const Example& text : data.examples) {
        EXPECT_NE(text.ids.back(), setup.train.examples[0].ids.back()) << "the end token is no part of it";
        rows.push_back(stream_of(setup.decoder(), text, measured_on == std::string("last")));
      }
      return at::stack(rows).mean(0);
    };
    const at::Tensor expected = 3 * (mean_row(setup.positive) - mean_row(setup.negative));
    EXPECT_TRUE(at::allclose(setup.method->effects().steer->direction_K(1, {}), expected, 1e-9, 1e-12));
  }
}

TEST_F(TrainerTest, ARunWithoutStepsIsRefusedWhereThereIsSomethingToTrain) {
  for (const char* method : {"sft", "bt", "lora", "steer", "rollout"}) {
    const Error error = error_of([&] { open(config_of(method), {"train.steps=0"}); });
    EXPECT_EQ(error.code(), ExitCode::usage) << method;
    EXPECT_EQ(error.problem().where, "train.steps") << method;
  }
}

TEST_F(TrainerTest, LayersToSteerAreThoseOfTheModel) {
  make_model();
  const Error error = error_of([&] { open(latent_config("{method: steer, layers: [0, 2]}")); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_EQ(error.problem().where, "latent.layers");
}

}  // namespace
}  // namespace bt
