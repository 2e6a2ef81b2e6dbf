#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "bt/ops/ops.h"
#include "ops/gpu_test_support.h"

namespace bt {
namespace {

struct Shape {
  const char* name;
  int64_t batch, heads, rows, width;
  bool bias_of_head = false;
  at::ScalarType dtype = at::kDouble;
};

struct Problem {
  at::Tensor q, k, v, bias;

  Problem to(at::Device device, at::ScalarType dtype) const {
    const auto moved = [&](const at::Tensor& x) { return x.to(device, dtype); };
    return {moved(q), moved(k), moved(v), moved(bias)};
  }
};

// Every third row is hidden from the others. In the first sequence all are, as in an event without rows, and nobody
// reads its output.
Problem random_problem(const Shape& shape) {
  at::manual_seed(7);
  const auto random = [&] { return at::randn({shape.batch, shape.heads, shape.rows, shape.width}, at::kDouble); };
  Problem problem{random(), random(), random(), {}};
  const int64_t heads = shape.bias_of_head ? shape.heads : 1;
  at::Tensor hidden = (at::arange(shape.rows) % 3 == 2).expand({shape.batch, heads, shape.rows, shape.rows}).clone();
  hidden[0].fill_(true);
  problem.bias = at::randn(hidden.sizes(), at::kDouble).masked_fill(hidden, -0x1p99);
  return problem;
}

at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  return at::matmul((at::matmul(q, k.transpose(2, 3)) * scale + bias).softmax(-1), v);
}

// The output and the gradients of q, k and v, of the first sequence none.
template <class Attend>
std::vector<at::Tensor> results(const Problem& problem, const Attend& attend) {
  const auto leaf = [](const at::Tensor& x) { return x.clone().requires_grad_(); };
  const at::Tensor q = leaf(problem.q), k = leaf(problem.k), v = leaf(problem.v), out = attend(q, k, v, problem.bias);
  at::Tensor d_out = at::ones_like(out) + out.detach();
  d_out[0].zero_();
  auto all = torch::autograd::grad({out}, {q, k, v}, {d_out});
  all.insert(all.begin(), out.detach());
  return all;
}

const char* const kNames[] = {"out", "d_q", "d_k", "d_v"};
const auto name_of = [](const auto& one) { return std::string(one.param.name); };

class BiasedAttention : public ::testing::TestWithParam<Shape> {};

TEST_P(BiasedAttention, IsTheSoftmaxOfScoresAndBias) {
  const Problem problem = random_problem(GetParam());
  const auto found = results(problem, ops::biased_attention), expected = results(problem, composed);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(found[i].allclose(expected[i], 0, 1e-11)) << kNames[i];
}

INSTANTIATE_TEST_SUITE_P(Shapes, BiasedAttention,
                         ::testing::Values(Shape{"usual", 3, 4, 24, 8}, Shape{"thirty_seven_rows", 19, 1, 37, 12},
                                           Shape{"one_row", 2, 3, 1, 4}, Shape{"bias_of_heads", 2, 3, 17, 8, true}),
                         name_of);

class GpuBiasedAttention : public testing::GpuTest, public ::testing::WithParamInterface<Shape> {};

TEST_P(GpuBiasedAttention, ErrsAtMostTwiceAsMuchAsTheCompositionAndAlwaysAlike) {
  const Problem rounded = random_problem(GetParam()).to(at::kCPU, GetParam().dtype),
                device = rounded.to(at::kCUDA, GetParam().dtype);
  const auto exact = results(rounded.to(at::kCPU, at::kDouble), composed), plain = results(device, composed),
             found = results(device, ops::biased_attention), again = results(device, ops::biased_attention);
  for (size_t i = 0; i < exact.size(); ++i) {
    const auto error = [&](const at::Tensor& x) { return (x.cpu().to(at::kDouble) - exact[i]).abs().max(); };
    // In fp32 LibTorch's kernel multiplies in three parts of TF32 each.
    const double more = GetParam().dtype == at::kFloat ? 1e-5 : 1e-6;
    EXPECT_LE(error(found[i]).item<double>(), 2 * error(plain[i]).item<double>() + more) << kNames[i];
    EXPECT_TRUE(found[i].isfinite().all().item<bool>()) << kNames[i];
    EXPECT_TRUE(found[i].equal(again[i])) << kNames[i] << " differs from run to run";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GpuBiasedAttention,
                         ::testing::Values(Shape{"bf16", 19, 16, 64, 32, false, at::kBFloat16},
                                           Shape{"more_than_a_block_of_rows", 4, 16, 333, 32, false, at::kBFloat16},
                                           Shape{"fp32", 5, 4, 37, 12, false, at::kFloat},
                                           Shape{"width_without_a_kernel", 5, 4, 37, 12, true, at::kBFloat16}),
                         name_of);

}  // namespace
}  // namespace bt
