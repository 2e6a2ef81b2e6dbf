// The head's loss and sampling by CUDA kernels, against ATen on the device and the choice on the host.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "bt/core/error.h"
#include "bt/ops/head.h"
#include "bt/ops/reference.h"
#include "bt/runtime/sampling.h"
#include "ops/gpu_test_support.h"

namespace bt {
namespace {

class GpuHead : public testing::GpuTest {};

at::Tensor normal(at::IntArrayRef shape, double deviation, at::ScalarType dtype) {
  at::manual_seed(7);
  return (at::randn(shape) * deviation).to(dtype);
}

double error(const at::Tensor& found, const at::Tensor& exact) {
  return (found.cpu().to(at::kDouble) - exact).abs().max().item<double>();
}

void expect_as_close_as_aten(const at::Tensor& logits_MV, double softcap) {
  const at::Tensor target_M = at::arange(logits_MV.size(0)) * 7919 % logits_MV.size(1);
  at::Tensor exact = logits_MV.to(at::kDouble), aten = logits_MV.cuda(), own = logits_MV.cuda();
  const auto [nll, correct, entropy] = ops::reference::cross_entropy_(exact, target_M, softcap, true, true);
  const auto usual = ops::reference::cross_entropy_(aten, target_M.cuda(), softcap, true, true);
  const ops::TokenLosses found = ops::cross_entropy_(own, target_M.cuda(), softcap, true, true);
  const double ulp = 2e-6;  // of losses up to 32
  EXPECT_LE(error(found.nll_M, nll), std::max(2 * error(std::get<0>(usual), nll), ulp));
  EXPECT_TRUE(found.correct_M.cpu().equal(std::get<1>(usual).cpu()));
  EXPECT_LE(error(found.entropy_M, entropy), std::max(2 * error(std::get<2>(usual), entropy), ulp));
  EXPECT_LE(error(own, exact), 2 * error(aten, exact));
}

TEST_F(GpuHead, LossesAndGradientsAreAsCloseAsAtens) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const int64_t vocabulary : {37, 50257, 128256}) {
      expect_as_close_as_aten(normal({33, vocabulary}, 3, dtype), 0);
      expect_as_close_as_aten(normal({5, vocabulary + 3}, 3, dtype).narrow(1, 1, vocabulary), 10);
    }
  }
}

// Wide rows of equal logits among the random ones, since ties are where choices go wrong.
void expect_the_host_tokens(int64_t rows, int64_t vocabulary, at::ScalarType dtype) {
  at::Tensor logits = normal({rows, vocabulary}, 3, dtype);
  logits.narrow(0, 0, rows / 4).mul_(2).round_().div_(2);
  std::vector<DrawKey> keys;
  const std::unordered_set<int32_t> seen = {0, 5, 7, 30};
  for (int64_t row = 0; row < rows; ++row) keys.push_back({static_cast<uint64_t>(row / 50), uint64_t(row % 50), &seen});
  const at::Tensor on_device = logits.cuda();
  ASSERT_TRUE(ops::can_sample(on_device));
  for (const SamplingOptions& options :
       {SamplingOptions{}, SamplingOptions{.repetition_penalty = 1.3}, SamplingOptions{.temperature = 1, .seed = 3},
        SamplingOptions{.temperature = .7, .top_k = 20}, SamplingOptions{.temperature = 1.2, .top_p = .95},
        SamplingOptions{.repetition_penalty = 1.1, .temperature = .9, .top_k = 50, .top_p = .9, .min_p = .02}}) {
    EXPECT_EQ(sample(on_device, options, keys), sample(logits, options, keys)) << vocabulary << " of " << dtype;
  }
}

TEST_F(GpuHead, ChoosesTheTokensOfTheHost) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    expect_the_host_tokens(4000, 997, dtype);
    expect_the_host_tokens(19, 128256, dtype);
  }
}

TEST_F(GpuHead, RefusesLogitsThatAreNotFinite) {
  const at::Tensor logits = at::zeros({2, 5}, at::kBFloat16);
  logits[1][3] = std::numeric_limits<double>::quiet_NaN();
  for (const double temperature : {0., 1.})
    EXPECT_THROW(sample(logits.cuda(), {.temperature = temperature}, {{0, 0}, {0, 1}}), Error);
}

}  // namespace
}  // namespace bt
