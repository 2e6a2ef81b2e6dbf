#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::CacheProblem;
using testing::CacheShape;
using testing::plain_attention;
using testing::PlainAttention;
using testing::random_problem;

ops::Attended attend(const CacheProblem& problem) {
  return ops::segment_attention(problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec);
}

class SegmentAttention : public ::testing::TestWithParam<CacheShape> {};

TEST_P(SegmentAttention, EqualsTheLoopsOverScalars) {
  const CacheProblem problem = random_problem(GetParam());
  const PlainAttention plain = plain_attention(problem);
  const ops::Attended attended = attend(problem);
  const double tolerance = GetParam().dtype == at::kFloat ? 2e-5 : 1e-12;
  EXPECT_EQ(attended.out_BSHD.scalar_type(), GetParam().dtype);
  testing::expect_near(attended.out_BSHD, plain.out_BSHD, tolerance);
  testing::expect_near(attended.lse_BSH, plain.lse_BSH, tolerance);
}

TEST_P(SegmentAttention, SeesWhatVisibleSays) {
  const CacheProblem problem = random_problem(GetParam());
  const at::Tensor visible_BST =
      ops::visible_BST(problem.query_length_B, problem.q_BSHD.size(1), problem.kv, problem.spec.window);
  ASSERT_EQ(visible_BST.sizes(), (std::vector<int64_t>{GetParam().batch, GetParam().queries, GetParam().rows}));
  for (int64_t b = 0; b < GetParam().batch; ++b) {
    for (int64_t s = 0; s < GetParam().queries; ++s) {
      for (int64_t t = 0; t < GetParam().rows; ++t) {
        ASSERT_EQ(visible_BST[b][s][t].item<bool>(), testing::sees(problem, b, s, t)) << b << " " << s << " " << t;
      }
    }
  }
}

// By autograd through the differentiable form, in which the scores are kept.
ops::AttentionGradients recorded_gradients(const CacheProblem& problem, const at::Tensor& d_out_BSHD) {
  if (d_out_BSHD.numel() == 0) {
    return {at::zeros_like(problem.q_BSHD), at::zeros(problem.kv.k_BGTD.sizes(), at::kDouble),
            at::zeros(problem.kv.v_BGTD.sizes(), at::kDouble)};
  }
  const at::Tensor q = problem.q_BSHD.detach().clone().requires_grad_();
  const at::Tensor k = problem.kv.k_BGTD.detach().clone().requires_grad_(),
                   v = problem.kv.v_BGTD.detach().clone().requires_grad_();
  KvView kv = problem.kv;
  kv.k_BGTD = k;
  kv.v_BGTD = v;
  const at::Tensor out = ops::segment_attention(q, problem.query_length_B, kv, problem.spec).out_BSHD;
  const auto d = torch::autograd::grad({out}, {q, k, v}, {d_out_BSHD});
  return {d[0], d[1], d[2]};
}

TEST_P(SegmentAttention, BackwardEqualsAutograd) {
  const CacheProblem problem = random_problem(GetParam());
  const at::Tensor d_out_BSHD = testing::random_normal(problem.q_BSHD.sizes(), "d_out", GetParam().dtype);
  const ops::AttentionGradients expected = recorded_gradients(problem, d_out_BSHD);
  const ops::AttentionGradients found = ops::segment_attention_backward(
      d_out_BSHD, problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec, attend(problem));
  const double tolerance = GetParam().dtype == at::kFloat ? 1e-4 : 1e-11;
  testing::expect_near(found.q_BSHD, expected.q_BSHD, tolerance);
  testing::expect_near(found.k_BGTD, expected.k_BGTD, tolerance);
  testing::expect_near(found.v_BGTD, expected.v_BGTD, tolerance);
}

TEST_P(SegmentAttention, BackwardOfAPagedCacheIsThatOfItsRows) {
  const CacheProblem problem = random_problem(GetParam());
  const testing::PagedProblem paged = testing::paged(problem);
  const at::Tensor d_out_BSHD = testing::random_normal(problem.q_BSHD.sizes(), "d_out", GetParam().dtype);
  const ops::Attended attended = attend(problem);
  const ops::AttentionGradients whole = ops::segment_attention_backward(
      d_out_BSHD, problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec, attended);
  const ops::PagedGradients found = ops::paged_attention_backward(d_out_BSHD, problem.q_BSHD, problem.query_length_B,
                                                                  paged.kv, paged.rows_BW, problem.spec, attended);
  const double tolerance = GetParam().dtype == at::kFloat ? 1e-5 : 1e-12;
  testing::expect_near(found.q_BSHD, whole.q_BSHD, tolerance);
  testing::expect_near(found.rows_BWC, ops::gather_rows({whole.k_BGTD, whole.v_BGTD, {}, {}, {}}, paged.rows_BW),
                       tolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SegmentAttention,
    ::testing::Values(CacheShape{.name = "usual"}, CacheShape{.name = "float", .dtype = at::kFloat},
                      CacheShape{.name = "one_sequence", .batch = 1},
                      CacheShape{.name = "nineteen_sequences", .batch = 19, .queries = 3},
                      CacheShape{.name = "one_row", .queries = 1, .rows = 1},
                      CacheShape{.name = "thirty_seven_rows", .batch = 2, .queries = 37, .rows = 37},
                      CacheShape{.name = "no_queries", .queries = 0},
                      CacheShape{.name = "every_head_its_own", .heads = 3, .groups = 3},
                      CacheShape{.name = "one_group", .heads = 5, .groups = 1},
                      CacheShape{.name = "odd_width", .width = 1}, CacheShape{.name = "window", .window = 5},
                      CacheShape{.name = "window_of_one", .window = 1}, CacheShape{.name = "cap", .softcap = 0.8},
                      CacheShape{.name = "dead_rows", .dead_rows = true},
                      CacheShape{.name = "few", .batch = 19, .queries = 1, .rows = 37},
                      CacheShape{.name = "few_float", .queries = 2, .width = 64, .dtype = at::kFloat},
                      CacheShape{.name = "few_window", .queries = 2, .window = 5},
                      CacheShape{.name = "few_cap", .queries = 4, .groups = 1, .softcap = 0.8},
                      CacheShape{.name = "few_dead_rows", .batch = 5, .queries = 3, .window = 7, .dead_rows = true},
                      CacheShape{.name = "everything", .batch = 5, .softcap = 1.2, .window = 7, .dead_rows = true},
                      CacheShape{.name = "everything_float",
                                 .batch = 5,
                                 .softcap = 1.2,
                                 .window = 7,
                                 .dead_rows = true,
                                 .dtype = at::kFloat}),
    [](const ::testing::TestParamInfo<CacheShape>& one) { return one.param.name; });

TEST(SegmentAttentionOp, TakesNoSequences) {
  const ops::Attended attended = attend(random_problem({.name = "none", .batch = 0}));
  EXPECT_EQ(attended.out_BSHD.sizes(), (std::vector<int64_t>{0, 5, 4, 6}));
  EXPECT_EQ(attended.lse_BSH.sizes(), (std::vector<int64_t>{0, 5, 4}));
}

TEST(SegmentAttentionOp, AQueryThatSeesNothingGivesZeroAndMinusInfinity) {
  CacheProblem problem = random_problem({.name = "blind", .batch = 1});
  problem.kv.alive_BT = at::zeros({1, 11}, at::kBool);
  const ops::Attended attended = attend(problem);
  EXPECT_EQ(attended.out_BSHD.abs().max().item<double>(), 0);
  EXPECT_EQ(attended.lse_BSH.max().item<double>(), -std::numeric_limits<double>::infinity());
}

// Scores of 2^22 are what a CPU holds at once: here those of three sequences, and of two behind them.
TEST(SegmentAttentionOp, ManyScoresAreTakenAFewSequencesAtATime) {
  const CacheProblem problem = random_problem({.name = "many",
                                               .batch = 5,
                                               .queries = 800,
                                               .rows = 820,
                                               .heads = 2,
                                               .groups = 1,
                                               .softcap = 1.5,
                                               .window = 300,
                                               .dead_rows = true});
  const at::Tensor d_out = at::randn_like(problem.q_BSHD);
  const ops::Attended attended = attend(problem);
  const auto d = ops::segment_attention_backward(d_out, problem.q_BSHD, problem.query_length_B, problem.kv,
                                                 problem.spec, attended);
  for (int64_t b = 0; b < 5; ++b) {
    const auto own = [b](const at::Tensor& x_B) { return x_B.narrow(0, b, 1); };
    const KvView& kv = problem.kv;
    const CacheProblem alone{own(problem.q_BSHD),
                             own(problem.query_length_B),
                             {own(kv.k_BGTD), own(kv.v_BGTD), own(kv.length_B), own(kv.position_BT), own(kv.alive_BT)},
                             problem.spec};
    const ops::Attended expected = attend(alone);
    testing::expect_near(own(attended.out_BSHD), expected.out_BSHD, 1e-12);
    testing::expect_near(own(attended.lse_BSH), expected.lse_BSH, 1e-12);
    const auto expected_d =
        ops::segment_attention_backward(own(d_out), alone.q_BSHD, alone.query_length_B, alone.kv, alone.spec, expected);
    testing::expect_near(own(d.q_BSHD), expected_d.q_BSHD, 1e-11);
    testing::expect_near(own(d.k_BGTD), expected_d.k_BGTD, 1e-11);
    testing::expect_near(own(d.v_BGTD), expected_d.v_BGTD, 1e-11);
  }
}

// The same with ATen operators that stay in the half type throughout.
at::Tensor composition(const CacheProblem& problem) {
  const int64_t share = problem.q_BSHD.size(2) / problem.kv.k_BGTD.size(1);
  const at::Tensor hidden =
      ops::visible_BST(problem.query_length_B, problem.q_BSHD.size(1), problem.kv, 0).logical_not().unsqueeze(1);
  const at::Tensor k = problem.kv.k_BGTD.repeat_interleave(share, 1), v = problem.kv.v_BGTD.repeat_interleave(share, 1);
  const at::Tensor scores = at::matmul(problem.q_BSHD.transpose(1, 2), k.transpose(2, 3)) * problem.spec.scale;
  return at::matmul(scores.masked_fill(hidden, -1e4).softmax(-1), v).transpose(1, 2);
}

class HalfAttention : public ::testing::TestWithParam<std::tuple<at::ScalarType, int64_t>> {};

TEST_P(HalfAttention, ErrsAtMostTwiceAsMuchAsPlainOperators) {
  const auto [dtype, queries] = GetParam();
  const CacheProblem problem =
      random_problem({.name = "half", .batch = 1, .queries = queries, .rows = 37, .width = 16, .dtype = dtype});
  const at::Tensor exact = plain_attention(problem).out_BSHD;
  const auto error = [&](const at::Tensor& out) { return (out.to(at::kDouble) - exact).abs().max().item<double>(); };
  const ops::Attended attended = attend(problem);
  EXPECT_EQ(attended.out_BSHD.scalar_type(), dtype);
  EXPECT_EQ(attended.lse_BSH.scalar_type(), at::kFloat);
  EXPECT_LE(error(attended.out_BSHD), 2 * error(composition(problem)));
  testing::expect_near(attended.lse_BSH, plain_attention(problem).lse_BSH, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Types, HalfAttention,
                         ::testing::Combine(::testing::Values(at::kBFloat16, at::kHalf), ::testing::Values(19, 3)),
                         [](const auto& one) {
                           return std::string(c10::toString(std::get<0>(one.param))) + "_" +
                                  std::to_string(std::get<1>(one.param));
                         });

TEST(SegmentAttentionOp, FewQueriesRefuseSizesThatDoNotFit) {
  const CacheProblem good = random_problem({.name = "refused", .queries = 2, .dead_rows = true});
  attend(good);
  const auto refuses = [&](const char* what, const std::function<void(CacheProblem&)>& spoil) {
    CacheProblem bad = good;
    spoil(bad);
    EXPECT_THROW(attend(bad), c10::Error) << what;
  };
  const auto lengths = [](int64_t first) { return at::tensor({first, int64_t{1}, int64_t{1}}, at::kLong); };
  refuses("a length above T", [&](CacheProblem& p) { p.kv.length_B = lengths(12); });
  refuses("more queries than rows", [&](CacheProblem& p) {
    p.kv.length_B = lengths(1);
    p.query_length_B = lengths(2);
  });
  refuses("a query length below 0", [&](CacheProblem& p) { p.query_length_B = lengths(-1); });
  refuses("too few query lengths", [](CacheProblem& p) { p.query_length_B = p.query_length_B.narrow(0, 0, 2); });
  refuses("too few lengths", [](CacheProblem& p) { p.kv.length_B = p.kv.length_B.narrow(0, 0, 2); });
  refuses("too few positions", [](CacheProblem& p) { p.kv.position_BT = p.kv.position_BT.narrow(1, 0, 10); });
  refuses("too few alive rows", [](CacheProblem& p) { p.kv.alive_BT = p.kv.alive_BT.narrow(1, 0, 10); });
  refuses("values of other rows", [](CacheProblem& p) { p.kv.v_BGTD = p.kv.v_BGTD.narrow(2, 0, 10); });
  refuses("another head width", [](CacheProblem& p) { p.q_BSHD = p.q_BSHD.narrow(3, 0, 5); });
  refuses("heads that groups do not divide", [](CacheProblem& p) { p.q_BSHD = p.q_BSHD.narrow(2, 0, 3); });
}

TEST(SegmentAttentionOp, WhatIsNoNumberShows) {
  CacheProblem problem = random_problem({.name = "nan", .batch = 1, .queries = 1});
  problem.query_length_B.fill_(1);
  problem.kv.k_BGTD.fill_(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(attend(problem).out_BSHD.isnan().all().item<bool>());
}

TEST(SegmentAttentionOp, GradientsEqualDifferences) {
  for (const CacheShape& shape :
       {CacheShape{.name = "plain", .queries = 3, .rows = 5, .heads = 2, .groups = 1, .width = 3},
        CacheShape{.name = "capped",
        .batch = 2,
        .queries = 2,
        .rows = 4,
        .width = 2,
        .softcap = 0.7,
        .window = 4,
        .dead_rows = true}}) {
    const CacheProblem problem = random_problem(shape);
    testing::expect_gradients(
        [&](const std::vector<at::Tensor>& x) {
          KvView kv = problem.kv;
          kv.k_BGTD = x[1];
          kv.v_BGTD = x[2];
          return ops::segment_attention(x[0], problem.query_length_B, kv, problem.spec).out_BSHD;
        },
        {problem.q_BSHD, problem.kv.k_BGTD.contiguous(), problem.kv.v_BGTD.contiguous()});
  }
}

}  // namespace
}  // namespace bt
