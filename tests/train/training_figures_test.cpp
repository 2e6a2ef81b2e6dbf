// metrics.jsonl, and how often a method is called.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bt/text/json_lines.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_TRUE(ungated.call_rate.empty()) << "not learned";
  Trainer gated(open(config_of("dca_with_gate"), {"latent.places=3", "run.out=" + path("gated")}), "none");
  EXPECT_EQ(gated.step().call_rate, std::vector<double>{1}) << "a new gate is open";
  Trainer spliced(open(config_of("pause"), {"latent.trigger.kind=none", "run.out=" + path("pause")}), "none");
  EXPECT_EQ(spliced.step().calls_per_text, 1) << "the prompt's end";
}

TEST_F(TrainerTest, FiguresAreThoseOfAllBatchesOfAStep) {
  const auto first_step = [&](const char* batch_size, const char* accumulate) {
    return Trainer(open(config_of("bt_learned_calls"),
                        {str("train.batch_size=", batch_size), str("train.accumulate=", accumulate)}),
                   "none")
        .step();
  };
  const StepReport at_once = first_step("14", "1"), in_parts = first_step("7", "2");
  ASSERT_EQ(at_once.call_rate.size(), 2u);
  ASSERT_EQ(at_once.rewrite_size.size(), 2u);
  for (size_t layer = 0; layer < 2; ++layer) {
    EXPECT_NEAR(in_parts.call_rate[layer] / at_once.call_rate[layer], 1, 1e-5);
    EXPECT_NEAR(in_parts.rewrite_size[layer] / at_once.rewrite_size[layer], 1, 0.1) << "a mean of roots";
  }
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

}  // namespace
}  // namespace bt
