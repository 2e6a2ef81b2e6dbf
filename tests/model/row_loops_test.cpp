// RMSNorm and rotary embedding in bfloat16 on the CPU: rounded where transformers rounds.
#include <gtest/gtest.h>

#include "model/model_test_support.h"

namespace bt {
namespace {

at::Tensor bf16(at::IntArrayRef shape, double scale = 1) { return (at::randn(shape) * scale).to(at::kBFloat16); }

double share_of_equal(const at::Tensor& a, const at::Tensor& b) {
  return (a == b).to(at::kDouble).mean().item<double>();
}

// Sums of squares may differ in their last bit, and with them one rounding in many.
void expect_equal_but_for_ties(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_GT(share_of_equal(found, expected), 0.99);
  EXPECT_TRUE(at::allclose(found.to(at::kFloat), expected.to(at::kFloat), 1.0 / 128, 0));
}

TEST(RmsNormInBFloat16, RoundsAsTransformersDoes) {
  at::manual_seed(1);
  const at::Tensor x = bf16({19, 577}, 3), weight = bf16({577});
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor unit = wide * (wide.square().mean(-1, true) + 1e-5).rsqrt();
  const at::NoGradGuard no_grad;
  expect_equal_but_for_ties(rms_norm(x, weight, {.eps = 1e-5}), unit.to(at::kBFloat16) * weight);
  expect_equal_but_for_ties(rms_norm(x, weight, {.eps = 1e-5, .weight_offset = 1, .rounds_last = true}),
                            (unit * (1 + weight.to(at::kFloat))).to(at::kBFloat16));
}

TEST(RmsNormInBFloat16, HasGradients) {
  const at::Tensor x = bf16({3, 8}).requires_grad_(true), weight = bf16({8}).requires_grad_(true);
  rms_norm(x, weight, {.eps = 1e-5}).sum().backward();
  EXPECT_EQ(x.grad().scalar_type(), at::kBFloat16);
  EXPECT_GT(weight.grad().abs().sum().item<double>(), 0);
}

TEST(RotationInBFloat16, RoundsAsTransformersDoes) {
  at::manual_seed(2);
  const at::Tensor x_NHD = bf16({37, 3, 16}), angle = at::randn({37, 8}) * 9;
  const Rotary rotary{angle.cos().to(at::kBFloat16), angle.sin().to(at::kBFloat16)};
  const at::Tensor cos = at::cat({rotary.cos, rotary.cos}, 1).unsqueeze(1),
                   sin = at::cat({rotary.sin, rotary.sin}, 1).unsqueeze(1);
  const at::Tensor half_turned = at::cat({-x_NHD.narrow(2, 8, 8), x_NHD.narrow(2, 0, 8)}, 2);
  EXPECT_TRUE(at::equal(rotate(x_NHD, rotary), x_NHD * cos + half_turned * sin));
}

}  // namespace
}  // namespace bt
