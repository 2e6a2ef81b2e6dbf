// What holds of the training of every method.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

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

}  // namespace
}  // namespace bt
