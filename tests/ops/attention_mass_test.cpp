#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::CacheProblem;
using testing::CacheShape;
using testing::plain_attention;
using testing::random_problem;

at::Tensor mass(const CacheProblem& problem, const at::Tensor& voters_B) {
  const ops::Attended attended =
      ops::segment_attention(problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec);
  return ops::attention_mass(problem.q_BSHD, attended.lse_BSH, problem.query_length_B, voters_B, problem.kv,
                             problem.spec);
}

// Mean over the newest voters and all heads of the dense probabilities.
at::Tensor plain_mass(const CacheProblem& problem, const at::Tensor& voters_B) {
  const at::Tensor p_BSHT = plain_attention(problem).p_BSHT;
  at::Tensor mass_BT = at::zeros({p_BSHT.size(0), p_BSHT.size(3)}, at::kDouble);
  for (int64_t b = 0; b < p_BSHT.size(0); ++b) {
    const int64_t queries = problem.query_length_B[b].item<int64_t>(),
                  voters = std::min(voters_B[b].item<int64_t>(), queries);
    if (voters > 0) mass_BT[b] = p_BSHT[b].narrow(0, queries - voters, voters).mean(at::IntArrayRef{0, 1});
  }
  return mass_BT;
}

class AttentionMass : public ::testing::TestWithParam<CacheShape> {};

TEST_P(AttentionMass, IsTheVotersMeanProbability) {
  const CacheProblem problem = random_problem(GetParam());
  for (const int64_t most : {0, 1, 2, 64}) {
    const at::Tensor voters_B = at::full({GetParam().batch}, most, at::kLong);
    testing::expect_near(mass(problem, voters_B), plain_mass(problem, voters_B), 1e-12);
  }
}

TEST_P(AttentionMass, OfEveryQuerySumsToTheShareThatSeesSomething) {
  const CacheProblem problem = random_problem(GetParam());
  const at::Tensor sees_BS =
      ops::visible_BST(problem.query_length_B, GetParam().queries, problem.kv, problem.spec.window).any(2);
  const at::Tensor share_B = sees_BS.sum(1).to(at::kDouble) / problem.query_length_B.clamp_min(1);
  testing::expect_near(mass(problem, problem.query_length_B).sum(1), share_B, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionMass,
    ::testing::Values(CacheShape{.name = "usual"}, CacheShape{.name = "one_sequence", .batch = 1},
                      CacheShape{.name = "nineteen_sequences", .batch = 19},
                      CacheShape{.name = "one_row", .queries = 1, .rows = 1},
                      CacheShape{.name = "thirty_seven_rows", .batch = 2, .queries = 37, .rows = 37},
                      CacheShape{.name = "no_queries", .queries = 0},
                      CacheShape{.name = "every_head_its_own", .heads = 3, .groups = 3},
                      CacheShape{.name = "one_group", .heads = 6, .groups = 1},
                      CacheShape{.name = "window", .window = 5}, CacheShape{.name = "cap", .softcap = 0.8},
                      CacheShape{.name = "everything", .batch = 5, .softcap = 1.2, .window = 7, .dead_rows = true}),
    [](const ::testing::TestParamInfo<CacheShape>& one) { return one.param.name; });

TEST(AttentionMassOp, EverySequenceHasItsOwnVoters) {
  const CacheProblem problem = random_problem({.name = "own_voters", .batch = 4});
  const at::Tensor voters_B = at::tensor({3, 2, 1, 0}, at::kLong);
  testing::expect_near(mass(problem, voters_B), plain_mass(problem, voters_B), 1e-12);
}

TEST(AttentionMassOp, HalfTypesAccumulateInFloat) {
  const CacheProblem problem = random_problem({.name = "half", .dtype = at::kBFloat16});
  const at::Tensor mass_BT = mass(problem, problem.query_length_B);
  EXPECT_EQ(mass_BT.scalar_type(), at::kFloat);
  testing::expect_near(mass_BT, plain_mass(problem, problem.query_length_B), 1e-5);
}

TEST(AttentionMassOp, FindsKeysInTheirPlaces) {
  CacheProblem problem = random_problem({.name = "places", .batch = 3, .window = 5});
  const at::Tensor expected = mass(problem, problem.query_length_B),
                   lse =
                       ops::segment_attention(problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec).lse_BSH;
  problem.kv.k_BGTD = at::cat({problem.kv.k_BGTD.new_zeros({1, problem.kv.k_BGTD.size(1), problem.kv.k_BGTD.size(2),
                                                            problem.kv.k_BGTD.size(3)}),
                               problem.kv.k_BGTD.flip(0)});
  problem.kv.place_B = at::tensor({3, 2, 1}, at::kLong);
  EXPECT_TRUE(
      ops::attention_mass(problem.q_BSHD, lse, problem.query_length_B, problem.query_length_B, problem.kv, problem.spec)
          .equal(expected));
  EXPECT_THROW(ops::segment_attention(problem.q_BSHD, problem.query_length_B, problem.kv, problem.spec), c10::Error);
}

TEST(AttentionMassOp, HasNoGradient) {
  CacheProblem problem = random_problem({.name = "no_gradient"});
  problem.q_BSHD.requires_grad_();
  EXPECT_FALSE(mass(problem, problem.query_length_B).requires_grad());
}

}  // namespace
}  // namespace bt
