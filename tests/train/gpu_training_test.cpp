// Whole training runs on a GPU: the CPU's loss curve, and the same bits in every run.
#include <ATen/ATen.h>

#include <cmath>

#include "ops/gpu_test_support.h"
#include "train/trainer_test_support.h"

namespace bt {
namespace {

struct Curve {
  std::vector<StepReport> steps;
  ValidationReport validation;
  at::Tensor weights;
};

class GpuTraining : public TrainerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    TrainerTest::SetUp();
    testing::skip_without_kernels();
  }

  Curve train(const std::string& config, const std::string& device, const std::string& dtype) const {
    Trainer trainer(open(config, {"run.device=" + device, "run.dtype=" + dtype, "run.out=" + path("run_" + device)}),
                    "none");
    Curve curve;
    while (!trainer.done()) curve.steps.push_back(trainer.step());
    curve.validation = trainer.validate();
    curve.weights = weights(trainer.setup()).cpu();
    return curve;
  }

  void expect_equal_curves(const std::string& config, const std::string& dtype, double tolerance) const {
    const Curve cpu = train(config, "cpu", dtype), gpu = train(config, "cuda", dtype);
    ASSERT_EQ(gpu.steps.size(), cpu.steps.size());
    for (size_t i = 0; i < cpu.steps.size(); ++i) {
      EXPECT_NEAR(gpu.steps[i].loss, cpu.steps[i].loss, tolerance * cpu.steps[i].loss) << dtype << ", step " << i + 1;
      EXPECT_NEAR(gpu.steps[i].grad_norm, cpu.steps[i].grad_norm, 10 * tolerance * cpu.steps[i].grad_norm)
          << dtype << ", step " << i + 1;
    }
    EXPECT_NEAR(gpu.validation.loss, cpu.validation.loss, tolerance * cpu.validation.loss) << dtype;
  }

  void expect_same_bits(const std::string& config, const std::string& dtype) const {
    const Curve first = train(config, "cuda", dtype), second = train(config, "cuda", dtype);
    for (size_t i = 0; i < first.steps.size(); ++i) EXPECT_EQ(first.steps[i].loss, second.steps[i].loss) << i;
    EXPECT_TRUE(first.weights.equal(second.weights));
  }
};

INSTANTIATE_TEST_SUITE_P(Methods, GpuTraining, ::testing::Values("sft", "bt", "lora", "dca", "bt_with_backbone"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(GpuTraining, HasTheLossCurveOfTheCpu) {
  const std::string config = config_of(GetParam());
  expect_equal_curves(config, "float64", 1e-8);
  expect_equal_curves(config, "float32", 1e-4);
}

TEST_P(GpuTraining, GivesTheSameBitsInEveryRun) { expect_same_bits(config_of(GetParam()), "float32"); }

// Heads of a width that the attention kernels take, LibTorch's among them.
TEST_P(GpuTraining, TrainsByTheKernelsInBfloat16) {
  sizes_ = "hidden_size: 128, intermediate_size: 224, heads: 2, kv_heads: 1";
  const std::string config = config_of(GetParam());
  expect_equal_curves(config, "bfloat16", 0.02);
  expect_same_bits(config, "bfloat16");
}

}  // namespace
}  // namespace bt
