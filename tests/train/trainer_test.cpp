#include "bt/train/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "bt/text/json_lines.h"
#include "bt/train/calibration.h"
#include "train/train_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

class TrainerTest : public TrainTest {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    log::set_level(log::Level::warning);
  }

  std::string config_of(const std::string& method) {
    if (method == "sft") return sft_config();
    make_model();
    if (method == "bt") return bt_config();
    if (method == "recent_only") return recent_only_config();
    if (method == "lora") return lora_config();
    if (method == "bt_with_backbone") {
      return latent_config(
          "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, train_backbone: "
          "true, "
          "gates: head, share_layers: true}");
    }
    if (method == "bt_learned_calls") {
      return latent_config(
          "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, calls: learned, "
          "call_cost: 0.2, rewrite_lag: 1}");
    }
    if (method == "bt_entropy" || method == "bt_entropy_live") {
      return latent_config(
          str("{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, "
              "trigger: {kind: entropy, threshold: 2.5, min_step_tokens: 3, boundaries: ",
              method == "bt_entropy" ? "precomputed" : "live", "}}"));
    }
    if (method == "append_rows")
      return latent_config("{method: append_rows, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20}");
    if (method == "rollout") return latent_config("{method: rollout, latents: 2, stage_steps: 3}");
    if (method == "pause") return latent_config("{method: pause, deviation: 0.5}");
    if (method == "dca") return dca_config("copy");
    if (method == "dca_with_gate") return dca_config("copy, calls: learned, call_cost: 0.1");
    if (method == "dca_with_adapters") return dca_config("lora, rank: 4");
    if (method == "dca_from_scratch") return dca_config("scratch, width: 12, feed_forward: 20");
    return latent_config("{method: " + method + "}");
  }

  std::string dca_config(const std::string& coprocessor) const {
    return latent_config(
        "{method: dca, latents: 3, ahead: 5, places: 8, train_lag: [0, 2], coprocessor: " + coprocessor + "}");
  }

  template <class Action>
  Error error_of(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ExitCode::done, {});
  }
};

class EveryMethod : public TrainerTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Trainer, EveryMethod,
                         ::testing::Values("sft", "bt", "lora", "constant_rewrite", "recent_only", "steer", "pause",
                                           "dca", "dca_with_gate", "dca_with_adapters", "dca_from_scratch",
                                           "bt_with_backbone", "bt_learned_calls", "bt_entropy", "bt_entropy_live",
                                           "rollout", "append_rows"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(EveryMethod, AccumulatingOverBatchesEqualsOneLargeBatch) {
  const std::string config = config_of(GetParam());
  const std::vector<std::string> common = {"run.dtype=float64", "run.out=" + path("one")};
  std::vector<std::string> one = common, three = {"run.dtype=float64", "run.out=" + path("three")};
  for (const char* setting : {"train.batch_size=6", "train.accumulate=1"}) one.emplace_back(setting);
  for (const char* setting : {"train.batch_size=2", "train.accumulate=3"}) three.emplace_back(setting);
  Trainer large(open(config, one), "none"), small(open(config, three), "none");
  for (int i = 0; i < 4; ++i) {
    const StepReport a = large.step(), b = small.step();
    EXPECT_NEAR(a.loss, b.loss, 1e-10);
    EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-9);
  }
  EXPECT_TRUE(at::allclose(weights(large.setup()), weights(small.setup()), 1e-7, 1e-9));
}

TEST_P(EveryMethod, ResumedEqualsUninterrupted) {
  const std::string config = config_of(GetParam());
  Trainer straight(open(config), "none");
  ASSERT_TRUE(straight.run());
  const std::vector<std::string> expected = figures(path("run"));

  // The run as a kill between steps 6 and 9 leaves it: metrics past the checkpoint, and a line cut short.
  const std::string again = path("again");
  std::filesystem::create_directories(again + "/checkpoints");
  std::filesystem::copy(path("run/checkpoints/step_6"), again + "/checkpoints/step_6");
  std::filesystem::copy(path("run/metrics.jsonl"), again + "/metrics.jsonl");
  std::ofstream(again + "/metrics.jsonl", std::ios::app) << "{\"step\": 9, \"lo";
  Trainer resumed(open(config, {"run.out=" + again}), "auto");
  EXPECT_EQ(resumed.state().step, 6);
  ASSERT_TRUE(resumed.run());
  EXPECT_EQ(figures(again), expected);
  EXPECT_TRUE(at::equal(weights(resumed.setup()), weights(straight.setup())));
  EXPECT_EQ(resumed.state().best_loss, straight.state().best_loss);
}

TEST_P(EveryMethod, OverfitsOneBatch) {
  write_problems("train.jsonl", 1, 2);
  const std::string config = config_of(GetParam());
  // A frozen decoder of random weights can be told little by embeddings, and another place is drawn every step.
  const bool appends = config.find("pause") != std::string::npos || config.find("dca") != std::string::npos;
  Trainer trainer(open(config, {"train.accumulate=1", str("train.lr=", appends ? 3e-3 : 2e-2),
                                "train.schedule=constant", "train.weight_decay=0"}),
                  "none");
  const auto mean_of = [&](int steps) {
    double sum = 0;
    for (int i = 0; i < steps; ++i) sum += trainer.step().loss;
    return sum / steps;
  };
  const double first = mean_of(appends ? 10 : 1);
  mean_of(50);
  EXPECT_LT(mean_of(appends ? 10 : 1), first * (appends ? 0.97 : 0.8));
}

TEST_P(EveryMethod, WhatIsSavedGivesTheSameValidationLoss) {
  const std::string config = config_of(GetParam());
  Trainer trainer(open(config), "none");
  ASSERT_TRUE(trainer.run());
  const double expected = trainer.validate().loss;
  if (std::string(GetParam()) == "sft") {
    const std::string loaded = latent_config("{method: mean_shift, strength: 0}");
    std::filesystem::rename(path("run/final"), path("model"));
    Trainer again(open(loaded, {"run.out=" + path("again")}), "none");
    EXPECT_NEAR(again.validate().loss, expected, 1e-6);
    return;
  }
  std::vector<std::string> overrides = {"run.out=" + path("again"), "run.seed=99"};
  if (trainer.setup().trains_backbone()) overrides.push_back("model.path=" + path("run/final"));
  TrainingSetup setup = open(config, overrides);
  const MethodBase base{"", setup.decoder().config, setup.tokenizer->fingerprint(),
                        weights_fingerprint(*setup.backbone.parameters)};
  SavedMethod saved = load_saved_method(path("run/final"), base, setup.decoder().options());
  setup.method = std::move(saved.method);
  const Trainer trained(std::move(setup), "none");
  if (!trained.setup().method->wants_calibration()) {
    EXPECT_DOUBLE_EQ(trained.validate().loss, expected);
  }
  EXPECT_EQ(saved.trigger.kind, read(config).trigger().kind);
}

TEST_F(TrainerTest, MetricsHoldTheGatesThatWillBeSaved) {
  for (const char* method : {"bt", "bt_with_backbone", "constant_rewrite"}) {
    Trainer trainer(open(config_of(method), {"train.steps=3", "train.lr=0.05"}), "none");
    trainer.run();
    at::Tensor logit_LX;
    for (const auto& [name, tensor] : trainer.setup().method->parameters()->named()) {
      if (name == "gate") logit_LX = tensor;
    }
    const at::Tensor gate_L = logit_LX.detach().sigmoid().mean(-1);
    const std::vector<Json> lines = read_json_lines(path("run/metrics.jsonl"));
    const Json::Array logged = lines.at(lines.size() - 2).at("gate", "line").as_array("gate");
    ASSERT_EQ(logged.size(), 2u) << method;
    for (int64_t layer = 0; layer < 2; ++layer) {
      const double expected = gate_L[gate_L.size(0) == 1 ? 0 : layer].item<double>();
      EXPECT_NEAR(logged[static_cast<size_t>(layer)].as_double("gate"), expected, 1e-6) << method;
    }
  }
}

TEST_F(TrainerTest, MetricsHoldTheKeysThatOthersRead) {
  Trainer trainer(open(config_of("bt"), {"train.steps=4"}), "none");
  trainer.run();
  std::ifstream file(path("run/metrics.jsonl"));
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const Json first = Json::parse(line, "metrics.jsonl");
  for (const char* key : {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_s", "max_memory_bytes", "elapsed_s",
                          "training_s", "flops"}) {
    EXPECT_TRUE(first.contains(key)) << key;
  }
  EXPECT_EQ(first.at("rewrite_size", "line").as_array("rewrite_size").size(), 2u);
  EXPECT_GT(first.at("calls_per_text", "line").as_double("calls_per_text"), 1) << "the prompt's end and newlines";
  EXPECT_GT(first.at("rewrite_size", "line").as_array("rewrite_size")[0].as_double("rewrite_size"), 0);
  const std::vector<std::string> lines = figures(path("run"));
  ASSERT_EQ(lines.size(), 5u);  // four steps, one validation
  EXPECT_THAT(lines.back(), HasSubstr("validation_loss"));
}

TEST_F(TrainerTest, CallsAreCountedWhereverLatentsGo) {
  Trainer branches(open(config_of("dca"), {"latent.places=3", "run.out=" + path("dca")}), "none");
  const StepReport ungated = branches.step();
  EXPECT_EQ(ungated.calls_per_text, 3);
  EXPECT_FALSE(ungated.gate_open.has_value());
  Trainer gated(open(config_of("dca_with_gate"), {"latent.places=3", "run.out=" + path("gated")}), "none");
  EXPECT_EQ(gated.step().gate_open, 1) << "a new gate is open";
  Trainer spliced(open(config_of("pause"), {"latent.trigger.kind=none", "run.out=" + path("pause")}), "none");
  EXPECT_EQ(spliced.step().calls_per_text, 1) << "the prompt's end";
}

TEST_F(TrainerTest, LearnedCallsBecomeRareWhereTheyAreDear) {
  const auto last_rates = [&](double cost, const char* out) {
    Trainer trainer(open(config_of("bt_learned_calls"), {str("latent.call_cost=", cost), "train.lr=5e-2",
                                                         "train.schedule=constant", "run.out=" + path(out)}),
                    "none");
    StepReport report;
    for (int i = 0; i < 10; ++i) report = trainer.step();
    EXPECT_EQ(report.call_rate.size(), 2u);
    return report.call_rate[0];
  };
  EXPECT_LT(last_rates(100, "dear"), 0.5);
  EXPECT_GT(last_rates(0, "free"), 0.6);
}

TEST_F(TrainerTest, ACallCostsItsShareOfTheMeanOverEventsAndLayers) {
  // At first every probability is that of call_init, and the weights that would read a row are 0. Two batches of a step
  // share the mean.
  const auto gradient = [&](double cost, const char* out) {
    Trainer trainer(
        open(config_of("bt_learned_calls"), {str("latent.call_cost=", cost), "run.dtype=float64", "train.clip_norm=0",
                                             "train.accumulate=2", "run.out=" + path(out)}),
        "none");
    trainer.step();
    const ParameterStore& store = *trainer.setup().method->parameters();
    return std::pair{store.leaf("call_bias", 0).grad().item<double>(),
                     store.leaf("call_bias", 1).grad().item<double>()};
  };
  const auto dear = gradient(3, "dear"), free = gradient(0, "free");
  const double p = 1 / (1 + std::exp(-1.0));
  EXPECT_NEAR(dear.first - free.first, 3 * p * (1 - p) / 2, 1e-9);
  EXPECT_NEAR(dear.second - free.second, 3 * p * (1 - p) / 2, 1e-9);
}

TEST_F(TrainerTest, ThresholdsDecideHowOftenItActs) {
  const auto calls_at = [&](double threshold) {
    Trainer trainer(open(config_of("bt_entropy"), {str("latent.trigger.threshold=", threshold)}), "none");
    return trainer.step().calls_per_text;
  };
  EXPECT_EQ(calls_at(1e6), 1) << "the prompt's end";
  EXPECT_GT(calls_at(1e-6), 2);
}

TEST_F(TrainerTest, ABackboneInTrainingCannotTellItsBoundariesBeforehand) {
  const Error error = error_of([&] { open(config_of("bt_entropy"), {"latent.train_backbone=true"}); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_THAT(error.what(), HasSubstr("live"));
}

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
