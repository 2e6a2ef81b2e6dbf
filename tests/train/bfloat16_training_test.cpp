// Training in bfloat16: weights of 16 bits, masters and averages of 32.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bt/format/safetensors.h"
#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

class Bfloat16 : public TrainerTest {
 protected:
  static TrainingSetup open_narrow(const std::string& config, std::vector<std::string> settings = {}) {
    settings.emplace_back("run.dtype=bfloat16");
    return open(config, settings);
  }

  // The loss of every step.
  std::vector<double> losses(const std::string& config, const std::string& dtype) {
    Trainer trainer(open(config, {"run.dtype=" + dtype, "run.out=" + path(dtype), "train.steps=20", "train.lr=1e-2",
                                  "train.accumulate=1", "train.batch_size=14"}),
                    "none");
    std::vector<double> out;
    while (!trainer.done()) out.push_back(trainer.step().loss);
    return out;
  }

  // The validation loss of a run's result, opened anew in bfloat16.
  double validation_of(const std::string& method, const std::string& result) {
    const std::vector<std::string> again = {"run.out=" + path("again"), "run.seed=99"};
    if (method == "sft") {
      const std::string config = common_config() + "model: {path: " + result + "}\n";
      return Trainer(open_narrow(config, again), "none").validate().loss;
    }
    std::vector<std::string> settings = again;
    const bool has_backbone = std::filesystem::exists(result + "/model.safetensors");
    if (has_backbone) settings.push_back("model.path=" + result);
    const Trainer trainer(open_narrow(config_of(method), settings),
                          "none");  // measures scales: the saved ones go over it
    const TrainingSetup& setup = trainer.setup();
    const MethodBase base{"", setup.decoder().config, setup.tokenizer->fingerprint(),
                          weights_fingerprint(*setup.backbone.parameters)};
    const SavedMethod saved = load_saved_method(result, base, setup.decoder().options());
    const auto from = saved_tensors(*saved.method), to = saved_tensors(*setup.method);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < to.size(); ++i) to[i].second.copy_(from[i].second);
    if (setup.method->parameters() != nullptr) setup.method->parameters()->refresh();
    return trainer.validate().loss;
  }
};

TEST_F(Bfloat16, LossesFollowThoseOfFloat) {
  // A coprocessor rounds twice, as a decoder of its own beside the frozen one.
  for (const auto& [method, tolerance] : {std::pair{"sft", 0.01}, {"bt", 0.01}, {"dca", 0.03}}) {
    const std::string config = config_of(method);
    const std::vector<double> exact = losses(config, "float32"), narrow = losses(config, "bfloat16");
    for (size_t step = 0; step < exact.size(); ++step)
      EXPECT_NEAR(narrow[step] / exact[step], 1, tolerance) << method << ", step " << step;
    if (std::string(method) != "dca") {
      EXPECT_LT(exact.back(), 0.9 * exact.front()) << method << " learns, so that following says something";
    }
  }
}

TEST_F(Bfloat16, TinyUpdatesAddUp) {
  const auto moved = [&](int steps, const char* out) {
    Trainer trainer(open_narrow(sft_config(), {"train.lr=1e-7", "train.schedule=constant", "train.warmup_steps=0",
                                               "train.weight_decay=0", "train.batch_size=14", "train.accumulate=1",
                                               "run.out=" + path(out)}),
                    "none");
    const ParameterStore& store = *trainer.setup().backbone.parameters;
    const at::Tensor masters = store.masters().clone(), weights = store.flat().clone();
    for (int i = 0; i < steps; ++i) trainer.step();
    const double unmoved = (store.flat() == weights).to(at::kDouble).mean().item<double>();
    return std::pair{(store.masters() - masters).abs().mean().item<double>(), unmoved};
  };
  const auto [once, unmoved_once] = moved(1, "one");
  const auto [often, unmoved] = moved(8, "eight");
  EXPECT_NEAR(often / once, 8, 0.5);  // the gradient hardly turns
  EXPECT_GT(unmoved, 0.9) << "rounded after every step, the weights would have stayed";
}

TEST_F(Bfloat16, AFrozenBackboneHasNothingBesideItsWeights) {
  const TrainingSetup setup = open_narrow(config_of("bt"));
  const ParameterStore& frozen = *setup.backbone.parameters;
  EXPECT_EQ(frozen.flat().scalar_type(), at::kBFloat16);
  EXPECT_TRUE(frozen.masters().is_same(frozen.flat()));
  EXPECT_FALSE(frozen.flat_grad().defined());
}

// Scales are measured before training; the run's checkpoint holds them beside the masters.
TEST_F(Bfloat16, WhatIsMeasuredAndWhatIsTrainedAreSavedInFloat) {
  Trainer trainer(open_narrow(config_of("bt"), {"train.steps=3"}), "none");
  ASSERT_TRUE(trainer.run());
  for (const char* name : {"run/final/processor.safetensors", "run/checkpoints/step_3/parameters.safetensors",
                           "run/checkpoints/step_3/optimizer.safetensors"}) {
    const SafetensorsFile file(path(name));
    EXPECT_FALSE(file.header().tensors.empty());
    for (const TensorEntry& entry : file.header().tensors) EXPECT_EQ(entry.dtype, DType::f32) << entry.name;
  }
}

TEST_F(Bfloat16, ACheckpointOfAnotherTypeIsRefused) {
  Trainer(open(sft_config(), {"train.steps=3"}), "none").run();
  const Error error = error_of([&] { Trainer(open_narrow(sft_config(), {"train.steps=3"}), "auto"); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("run.dtype: float32 -> bfloat16"));
}

TEST_F(Bfloat16, MethodsWithoutParametersAreMeasuredAndValidated) {
  for (const char* method : {"mean_shift", "evict", "gist"}) {
    Trainer trainer(open_narrow(config_of(method), {"run.out=" + path(method)}), "none");
    ASSERT_TRUE(trainer.run()) << method;
    EXPECT_TRUE(trainer.state().best_loss.has_value()) << method;
  }
}

class EveryMethodInBfloat16 : public Bfloat16, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Trainer, EveryMethodInBfloat16,
                         ::testing::Values("sft", "bt", "lora", "constant_rewrite", "recent_only", "steer", "pause",
                                           "dca", "dca_with_gate", "dca_with_adapters", "dca_from_scratch",
                                           "bt_with_backbone", "bt_learned_calls", "bt_entropy", "rollout",
                                           "append_rows"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(EveryMethodInBfloat16, ResumesBitForBitAndItsBestWeightsGiveTheLossThatChoseThem) {
  const std::string config = config_of(GetParam());
  const std::vector<std::string> shorter = {"train.steps=4", "checkpoint.every=2", "train.validate_every=2"};
  Trainer straight(open_narrow(config, shorter), "none");
  ASSERT_TRUE(straight.run());

  std::vector<std::string> settings = shorter;
  settings.push_back("run.out=" + path("resumed"));
  std::filesystem::create_directories(path("resumed/checkpoints"));
  std::filesystem::copy(path("run/checkpoints/step_2"), path("resumed/checkpoints/step_2"));
  std::filesystem::copy(path("run/metrics.jsonl"), path("resumed/metrics.jsonl"));
  Trainer resumed(open_narrow(config, settings), "auto");
  EXPECT_EQ(resumed.state().step, 2);
  ASSERT_TRUE(resumed.run());
  EXPECT_EQ(figures(path("resumed")), figures(path("run")));
  EXPECT_TRUE(at::equal(weights(resumed.setup()), weights(straight.setup())));

  EXPECT_EQ(validation_of(GetParam(), path("run/best")), straight.state().best_loss);
}

}  // namespace
}  // namespace bt
