// The training engine on a GPU in bf16, where the attention kernels work: loss and gradients beside those of the CPU,
// and the same bits in every run.
#include <ATen/ATen.h>

#include "bt/runtime/teacher_forced.h"
#include "ops/gpu_test_support.h"
#include "support/tiny.h"

namespace bt {
namespace {

class GpuEngine : public testing::GpuTest {
 protected:
  struct Pass {
    double loss = 0;
    at::Tensor gradient;
    RowTrace rows;
  };

  // Rows are those of `replay` where given: rounding must not decide which.
  Pass pass(at::Device device, at::ScalarType dtype, const RowTrace* replay) const {
    ModelConfig config = testing::tiny_config();
    config.hidden_size = 256;
    config.head_dim = 64;
    const auto options = at::TensorOptions(device).dtype(dtype);
    const Backbone backbone = make_backbone(config, options, 11, /*trainable=*/false);
    const auto method = make_method("bt", testing::tiny_bt(), {config, options, 5});
    const Plan plan = make_plan(testing::random_batch(7), testing::tiny_table(), {}, {testing::kEos});
    const DevicePlan on_device = to_device(plan, device);
    method->parameters()->zero_grad();
    const Forward forward = teacher_forced(
        backbone.decoder, method.get(), on_device,
        {.loss_scale = 1.0 / static_cast<double>(plan.supervised_tokens), .record_rows = true, .replay = replay});
    forward.loss.backward();
    return {forward.loss.item<double>(), method->parameters()->flat_grad().cpu().to(at::kDouble), forward.rows};
  }

  static RowTrace on(at::Device device, const RowTrace& rows) {
    RowTrace out = rows;
    for (auto& layer : out) {
      for (at::Tensor& depth : layer) depth = depth.to(device);
    }
    return out;
  }
};

double distance(const at::Tensor& a, const at::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

TEST_F(GpuEngine, ErrsAtMostTwiceAsMuchAsTheCpuInTheSameType) {
  const Pass exact = pass(at::kCPU, at::kDouble, nullptr);
  const RowTrace there = on(at::kCUDA, exact.rows);
  const Pass cpu = pass(at::kCPU, at::kBFloat16, &exact.rows), gpu = pass(at::kCUDA, at::kBFloat16, &there);
  EXPECT_LE(distance(gpu.gradient, exact.gradient), 2 * distance(cpu.gradient, exact.gradient));
  EXPECT_NEAR(gpu.loss, exact.loss, 2 * std::abs(cpu.loss - exact.loss) + 1e-3 * exact.loss);
}

TEST_F(GpuEngine, ChoosesTheRowsOfTheCpuInDoublePrecision) {
  const Pass cpu = pass(at::kCPU, at::kDouble, nullptr), gpu = pass(at::kCUDA, at::kDouble, nullptr);
  for (size_t layer = 0; layer < cpu.rows.size(); ++layer) {
    for (size_t depth = 0; depth < cpu.rows[layer].size(); ++depth)
      EXPECT_TRUE(gpu.rows[layer][depth].cpu().equal(cpu.rows[layer][depth])) << layer << ", " << depth;
  }
  EXPECT_NEAR(gpu.loss, cpu.loss, 1e-9 * cpu.loss);
  EXPECT_LE(distance(gpu.gradient, cpu.gradient), 1e-8);
}

TEST_F(GpuEngine, GivesTheSameBitsInEveryRun) {
  const Pass first = pass(at::kCUDA, at::kBFloat16, nullptr), second = pass(at::kCUDA, at::kBFloat16, nullptr);
  EXPECT_EQ(first.loss, second.loss);
  EXPECT_TRUE(first.gradient.equal(second.gradient));
}

}  // namespace
}  // namespace bt
