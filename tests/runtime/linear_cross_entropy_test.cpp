#include "bt/runtime/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace bt {
namespace {

at::Tensor waves(at::IntArrayRef shape, double speed, at::ScalarType dtype) {
  const int64_t count = c10::multiply_integers(shape);
  return (at::arange(count, at::kDouble) * speed).sin().view(shape).to(dtype);
}

struct Problem {
  at::Tensor hidden_MC, head_VC, target_M;
};

Problem make_problem(int64_t rows, int64_t width, int64_t vocabulary, at::ScalarType dtype = at::kDouble) {
  return {waves({rows, width}, 1.7, dtype).requires_grad_(), waves({vocabulary, width}, 0.9, dtype).requires_grad_(),
          at::arange(rows) * 7 % vocabulary};
}

// Greatest differences of loss, per-token values and both gradients from at::cross_entropy.
void expect_plain(const Problem& p, double softcap, double scale, double tolerance) {
  at::Tensor logits = at::linear(p.hidden_MC, p.head_VC);
  if (softcap > 0) logits = (logits / softcap).tanh() * softcap;
  const at::Tensor nll_M = at::cross_entropy_loss(logits, p.target_M, {}, at::Reduction::None),
                   loss = nll_M.sum() * scale;
  const CrossEntropy entropy = linear_cross_entropy(p.hidden_MC, p.head_VC, p.target_M, softcap, scale);
  const auto near = [&](const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, tolerance, tolerance); };
  EXPECT_TRUE(near(entropy.loss, loss));
  EXPECT_TRUE(near(entropy.nll_M, nll_M));
  EXPECT_TRUE(entropy.correct_M.equal(logits.argmax(1) == p.target_M));
  EXPECT_FALSE(entropy.nll_M.requires_grad());
  const auto expected = torch::autograd::grad({loss * 3}, {p.hidden_MC, p.head_VC});
  const auto found = torch::autograd::grad({entropy.loss * 3}, {p.hidden_MC, p.head_VC});
  EXPECT_TRUE(near(found[0], expected[0]));
  EXPECT_TRUE(near(found[1], expected[1]));
}

TEST(LinearCrossEntropy, EqualsTheComposition) {
  for (const int64_t rows : {1, 19}) {
    for (const double softcap : {0.0, 0.7}) expect_plain(make_problem(rows, 5, 37), softcap, 0.3, 1e-12);
  }
}

// 2^24 logits are one chunk: 1024 rows of this vocabulary.
TEST(LinearCrossEntropy, ChunksMeetWithoutGapOrOverlap) {
  for (const int64_t rows : {1024, 1025}) expect_plain(make_problem(rows, 2, int64_t{1} << 14, at::kFloat), 0, 1, 1e-4);
}

TEST(LinearCrossEntropy, OfNoRowsIsZero) {
  const Problem p = make_problem(0, 5, 37);
  const CrossEntropy entropy = linear_cross_entropy(p.hidden_MC, p.head_VC, p.target_M, 0, 1);
  EXPECT_EQ(entropy.loss.item<double>(), 0);
  EXPECT_EQ(entropy.nll_M.numel(), 0);
  EXPECT_EQ(torch::autograd::grad({entropy.loss}, {p.head_VC})[0].abs().max().item<double>(), 0);
}

TEST(LinearCrossEntropy, AFrozenHeadGetsNoGradientAndHiddenStillDoes) {
  const Problem p = make_problem(4, 5, 37);
  const CrossEntropy entropy = linear_cross_entropy(p.hidden_MC, p.head_VC.detach(), p.target_M, 0, 1);
  EXPECT_GT(torch::autograd::grad({entropy.loss}, {p.hidden_MC})[0].abs().max().item<double>(), 0);
  at::NoGradGuard no_grad;
  EXPECT_FALSE(linear_cross_entropy(p.hidden_MC, p.head_VC, p.target_M, 0, 1).loss.requires_grad());
}

// 0.00098 as a factor of bf16 would be 0.35 % off; the gradients' own rounding has no direction.
TEST(LinearCrossEntropy, InSixteenBitsLossesAreOfThirtyTwoAndTheScaleIsNotRounded) {
  const Problem p = make_problem(300, 64, 97, at::kBFloat16);
  constexpr double scale = 0.00098;
  const auto run = [&](double factor) {
    const CrossEntropy entropy = linear_cross_entropy(p.hidden_MC, p.head_VC, p.target_M, 0, factor);
    const auto d = torch::autograd::grad({entropy.loss}, {p.hidden_MC, p.head_VC});
    return std::tuple(entropy, d[0].abs().sum(at::kDouble).item<double>(), d[1].abs().sum(at::kDouble).item<double>());
  };
  const auto [entropy, hidden, head] = run(1);
  const auto [scaled, small_hidden, small_head] = run(scale);
  const at::Tensor logits = at::linear(p.hidden_MC, p.head_VC).to(at::kDouble);
  const at::Tensor nll_M = at::cross_entropy_loss(logits, p.target_M, {}, at::Reduction::None);
  EXPECT_EQ(entropy.nll_M.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(entropy.nll_M.to(at::kDouble), nll_M, 1e-5, 1e-5));
  EXPECT_NEAR(entropy.loss.item<double>(), nll_M.sum().item<double>(), 1e-2);
  EXPECT_NEAR(scaled.loss.item<double>() / entropy.loss.item<double>(), scale, 1e-9);
  EXPECT_NEAR(small_hidden / hidden / scale, 1, 3e-4);
  EXPECT_NEAR(small_head / head / scale, 1, 3e-4);
}

TEST(LinearCrossEntropy, TheLowestIdWinsATie) {
  const at::Tensor hidden = at::ones({2, 1}), head = at::tensor({1.f, 2.f, 2.f}).view({3, 1});
  const CrossEntropy entropy = linear_cross_entropy(hidden, head, at::tensor({1, 2}, at::kLong), 0, 1);
  EXPECT_TRUE(entropy.correct_M.equal(at::tensor({1, 0}, at::kLong).to(at::kBool)));
}

}  // namespace
}  // namespace bt
