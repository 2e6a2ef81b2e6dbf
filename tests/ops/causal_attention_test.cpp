#include "../../src/ops/flash_on_cuda.h"
#include "ops/gpu_test_support.h"
#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::CacheProblem;
using testing::CacheShape;

// Whole sequences over themselves, of ragged lengths.
CacheProblem whole_sequences(CacheShape shape) {
  shape.queries = shape.rows;
  CacheProblem problem = testing::random_problem(shape);
  problem.query_length_B = problem.kv.length_B;
  problem.kv.position_BT = at::arange(shape.rows).expand({shape.batch, shape.rows});
  return problem;
}

CacheProblem moved(const CacheProblem& problem, at::Device device, at::ScalarType dtype) {
  const auto there = [&](const at::Tensor& x) { return x.defined() ? x.to(device) : x; };
  const KvView& kv = problem.kv;
  return {problem.q_BSHD.to(device, dtype),
          there(problem.query_length_B),
          {kv.k_BGTD.to(device, dtype), kv.v_BGTD.to(device, dtype), there(kv.length_B), there(kv.position_BT),
           there(kv.alive_BT)},
          problem.spec};
}

// out, lse and the gradients of q, k and v, with zeros for the padding.
template <class Attend>
std::vector<at::Tensor> results(const CacheProblem& problem, const Attend& attend) {
  const int64_t queries = problem.q_BSHD.size(1);
  const at::Tensor is_real_BS =
      at::arange(queries, problem.query_length_B.options()).unsqueeze(0) < problem.query_length_B.unsqueeze(1);
  const at::Tensor q = problem.q_BSHD.clone().requires_grad_(), k = problem.kv.k_BGTD.clone().requires_grad_(),
                   v = problem.kv.v_BGTD.clone().requires_grad_();
  KvView kv = problem.kv;
  kv.k_BGTD = k;
  kv.v_BGTD = v;
  const ops::Attended attended = attend(q, problem.query_length_B, kv, problem.spec);
  const at::Tensor real_BS11 = is_real_BS.unsqueeze(2).unsqueeze(3), out = attended.out_BSHD * real_BS11;
  const auto d = torch::autograd::grad({out}, {q, k, v}, {at::ones_like(out) + out.detach()});
  const at::Tensor lse = attended.lse_BSH.detach().masked_fill(is_real_BS.logical_not().unsqueeze(2), 0);
  return {out.detach(), lse, d[0], d[1], d[2]};
}

const char* const kNames[] = {"out", "lse", "d_q", "d_k", "d_v"};

class CausalAttention : public ::testing::TestWithParam<CacheShape> {};

TEST_P(CausalAttention, EqualsSegmentAttention) {
  const CacheProblem problem = whole_sequences(GetParam());
  const auto found = results(problem, ops::causal_attention), expected = results(problem, ops::segment_attention);
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(kNames[i]);
    testing::expect_near(found[i], expected[i], 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CausalAttention,
                         ::testing::Values(CacheShape{.name = "usual"}, CacheShape{.name = "one_sequence", .batch = 1},
                                           CacheShape{.name = "nineteen", .batch = 19, .rows = 3},
                                           CacheShape{.name = "one_row", .rows = 1},
                                           CacheShape{.name = "thirty_seven_rows", .batch = 2, .rows = 37},
                                           CacheShape{.name = "one_group", .heads = 5, .groups = 1},
                                           CacheShape{.name = "softcap", .softcap = 2},
                                           CacheShape{.name = "window", .window = 4},
                                           CacheShape{.name = "wide_window", .rows = 7, .window = 7},
                                           CacheShape{.name = "dead_rows", .dead_rows = true}),
                         [](const auto& shape) { return shape.param.name; });

// In the type of its inputs throughout, as a user of ATen would write it.
ops::Attended composed(const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const KvView& kv,
                       const AttentionSpec& spec) {
  const int64_t share = q_BSHD.size(2) / kv.k_BGTD.size(1);
  const at::Tensor k_BHTD = kv.k_BGTD.repeat_interleave(share, 1), v_BHTD = kv.v_BGTD.repeat_interleave(share, 1);
  at::Tensor score_BHST = at::matmul(q_BSHD.transpose(1, 2), k_BHTD.transpose(2, 3)) * spec.scale;
  if (spec.softcap > 0) score_BHST = (score_BHST / spec.softcap).tanh() * spec.softcap;
  const at::Tensor visible_BST = ops::visible_BST(query_length_B, q_BSHD.size(1), kv, spec.window);
  score_BHST = score_BHST.masked_fill(visible_BST.logical_not().unsqueeze(1), -1e4);
  return {at::matmul(score_BHST.softmax(-1), v_BHTD).transpose(1, 2), score_BHST.logsumexp(-1).transpose(1, 2)};
}

class GpuCausalAttention : public testing::GpuTest, public ::testing::WithParamInterface<CacheShape> {};

TEST_P(GpuCausalAttention, ErrsAtMostTwiceAsMuchAsTheCompositionInTheSameType) {
  const at::ScalarType type = GetParam().dtype;
  CacheShape in_double = GetParam();
  in_double.dtype = at::kDouble;
  const CacheProblem rounded = moved(whole_sequences(in_double), at::kCPU, type);
  const CacheProblem device = moved(rounded, at::kCUDA, type);
  const auto exact = results(moved(rounded, at::kCPU, at::kDouble), ops::segment_attention);
  const auto plain = results(device, composed), found = results(device, ops::causal_attention),
             again = results(device, ops::causal_attention);
  EXPECT_EQ(ops::flash_on_cuda_takes(device.q_BSHD.transpose(1, 2), device.kv.k_BGTD, device.kv.v_BGTD, .1),
            type != at::kFloat);
  for (size_t i = 0; i < exact.size(); ++i) {
    const auto error = [&](const at::Tensor& x) { return (x.cpu().to(at::kDouble) - exact[i]).abs().max(); };
    EXPECT_LE(error(found[i]).item<double>(), 2 * error(plain[i]).item<double>() + 1e-6) << kNames[i];
    EXPECT_TRUE(found[i].equal(again[i])) << kNames[i] << " differs from run to run";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, GpuCausalAttention,
    ::testing::Values(CacheShape{.name = "bf16", .rows = 100, .width = 64, .dtype = at::kBFloat16},
                      CacheShape{.name = "blocks_of_rows", .rows = 700, .width = 64, .dtype = at::kBFloat16},
                      CacheShape{.name = "gemma", .rows = 300, .width = 256, .dtype = at::kBFloat16},
                      CacheShape{.name = "fp16", .rows = 37, .width = 128, .dtype = at::kHalf},
                      CacheShape{.name = "fp32", .rows = 37, .width = 64, .dtype = at::kFloat},
                      CacheShape{.name = "softcap", .rows = 37, .width = 64, .softcap = 2, .dtype = at::kBFloat16},
                      CacheShape{.name = "window", .rows = 37, .width = 64, .window = 8, .dtype = at::kBFloat16}),
    [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace bt
