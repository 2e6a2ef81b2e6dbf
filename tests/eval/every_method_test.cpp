// Every method, trained through the trainer on a few problems, then opened again as the programs open it.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "bt/core/log.h"
#include "bt/eval/generation.h"
#include "bt/eval/scoring.h"
#include "bt/runtime/method_plan.h"
#include "train/train_test_support.h"

namespace bt {
namespace {

struct MethodCase {
  const char* name;
  const char* latent;
  bool is_trained = true;
};

void PrintTo(const MethodCase& c, std::ostream* out) { *out << c.name; }

class FromTrainingToText : public TrainTest, public ::testing::WithParamInterface<MethodCase> {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    log::set_level(log::Level::warning);
    write_problems("train.jsonl", 1, 8);
    make_model();
  }

  // The frozen decoder's loss on what the method is validated on.
  static double base_loss(const TrainingSetup& setup) {
    const at::NoGradGuard no_grad;
    const std::vector<Example>& examples = setup.validation.examples;
    Plan plan = plan_batch(setup, examples, kValidationDraw);
    if (plan.branches.empty()) plan = plan_for(nullptr, examples, setup.boundaries, {}, {});
    return teacher_forced(setup.decoder(), nullptr, to_device(plan, at::kCPU), {}).nll_M.mean().item<double>();
  }
};

TEST_P(FromTrainingToText, LearnsEightProblemsIsSavedOpenedAndSpeaks) {
  const std::string config = latent_config(GetParam().latent);
  std::vector<std::string> settings = {"data.validation=[" + path("train.jsonl") + "]",
                                       "train.steps=60",
                                       "train.lr=2e-2",
                                       "train.batch_size=8",
                                       "train.accumulate=1",
                                       "train.validate_every=0",
                                       "checkpoint.every=0"};
  if (config.find("mean_difference") != std::string::npos) {
    settings.push_back("latent.positive=" + path("train.jsonl"));
    settings.push_back("latent.negative=" + path("validation.jsonl"));
  }
  Trainer trainer(open(config, settings), "none");
  const double base = base_loss(trainer.setup());
  ASSERT_TRUE(trainer.run());
  if (GetParam().is_trained) {
    EXPECT_LT(trainer.validate().loss, 0.98 * base);
  }

  const bool has_own_backbone = trainer.setup().trains_backbone();
  const ModelPlace plain{.model = path(has_own_backbone ? "run/final" : "model"), .device = "cpu"};
  ModelPlace place = plain;
  place.latent = path("run/final");
  const InferenceModel model = open_inference_model(place), alone = open_inference_model(plain);
  const std::vector<int32_t> prompt = model.encode("Ann has 3.\nHow many?\n");
  const std::vector<Completion> answers = generate(model, {{1, prompt, 12}, {2, prompt, 12}}, {.slots = 2});
  EXPECT_EQ(answers[0].ids, answers[1].ids);
  EXPECT_FALSE(answers[0].ids.empty());

  std::vector<int32_t> ids = prompt;
  ids.insert(ids.end(), answers[0].ids.begin(), answers[0].ids.end());
  const ScoreRequest request{ids, static_cast<int64_t>(prompt.size()), static_cast<int64_t>(prompt.size())};
  const double with = score(model, {request}, 1)[0].sum(), without = score(alone, {request}, 1)[0].sum();
  EXPECT_TRUE(std::isfinite(with));
  EXPECT_GT(std::abs(with - without), 1e-4) << "the method makes no difference";
}

INSTANTIATE_TEST_SUITE_P(
    Methods, FromTrainingToText,
    ::testing::Values(
        MethodCase{"bt", "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0}"},
        MethodCase{"bt_with_backbone",
                   "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, "
                   "train_backbone: true, rewrites: values, recall_share: 0.8}"},
        MethodCase{"bt_learned_calls",
                   "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, calls: "
                   "learned, rewrite_lag: 2}"},
        MethodCase{"bt_entropy",
                   "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, trigger: "
                   "{kind: entropy, threshold: 2, min_step_tokens: 8}}"},
        MethodCase{"recent_only",
                   "{method: recent_only, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0}"},
        MethodCase{"append_rows",
                   "{method: append_rows, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0}"},
        MethodCase{"constant_rewrite", "{method: constant_rewrite, gate_init: 0}"},
        MethodCase{"mean_shift", "{method: mean_shift, strength: 0.5}", false},
        MethodCase{"lora", "{method: lora, rank: 2}"}, MethodCase{"pause", "{method: pause, deviation: 0.5}"},
        MethodCase{"shared_pause", "{method: pause, deviation: 0.5, shared: true}"},
        MethodCase{"rollout", "{method: rollout, latents: 2}"},
        MethodCase{"frozen_rollout", "{method: rollout, latents: 2, train_backbone: false}", false},
        MethodCase{"steer", "{method: steer}"}, MethodCase{"steer_next_step", "{method: steer, places: next_step}"},
        MethodCase{"steer_measured", "{method: steer, direction: mean_difference, measured_on: last, strength: 4}",
                   false},
        MethodCase{"evict", "{method: evict, keep: 2, recent: 2}", false},
        MethodCase{"evict_pooled", "{method: evict, keep: 2, recent: 2, pool: 3}", false},
        MethodCase{"gist", "{method: gist, rows: 1, trigger: {at_prompt_end: true}}", false},
        MethodCase{"dca", "{method: dca, latents: 4, ahead: 16, places: 16}"},
        MethodCase{"dca_with_gate",
                   "{method: dca, latents: 4, ahead: 16, places: 16, calls: learned, call_cost: 0.01}"},
        MethodCase{"dca_with_adapters", "{method: dca, latents: 4, ahead: 16, places: 16, coprocessor: lora, rank: 4}"},
        MethodCase{
            "dca_from_scratch",
            "{method: dca, latents: 4, ahead: 16, places: 16, coprocessor: scratch, width: 12, positions: keep}"}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace bt
