#include "ops/ops_test_support.h"
#include "support/dense_attention.h"

namespace bt {
namespace {

using testing::expect_near;
using testing::random_normal;

struct BranchShape {
  std::string name;
  int64_t branches = 6, rows = 5;      // R, S
  int64_t sequences = 3, cached = 11;  // B, T
  int64_t heads = 4, groups = 2, width = 6;
  double softcap = 0;
  int64_t window = 0;
  bool keep_positions = false;  // the second half of a branch counts from the branch's start again
  at::ScalarType dtype = at::kDouble;
};

void PrintTo(const BranchShape& shape, std::ostream* out) { *out << shape.name; }

struct BranchProblem {
  at::Tensor q_RSHD, k_RSGD, v_RSGD;
  ops::Branches branches;
  KvView prefix;
  AttentionSpec spec;

  at::Tensor attend() const { return ops::branch_attention(q_RSHD, k_RSGD, v_RSGD, branches, prefix, spec); }
};

// Branches before the first and after the last row of a text, several at one place, and texts without any.
BranchProblem branch_problem(const BranchShape& shape) {
  CounterRng rng(4, stream_id(shape.name));
  BranchProblem problem;
  const int64_t own = shape.branches * shape.rows;
  const auto view = [&](const char* name, int64_t heads) {
    return random_normal({shape.branches, heads, shape.rows, shape.width}, name, shape.dtype).transpose(1, 2);
  };
  problem.q_RSHD = view("q", shape.heads);
  problem.k_RSGD = view("own k", shape.groups);
  problem.v_RSGD = view("own v", shape.groups);
  problem.spec = {0.4, shape.softcap, shape.window};
  const std::vector<int64_t> cache = {shape.sequences, shape.groups, shape.cached, shape.width};
  problem.prefix.k_BGTD = testing::strided(random_normal(cache, "k", shape.dtype));
  problem.prefix.v_BGTD = testing::strided(random_normal(cache, "v", shape.dtype));
  problem.prefix.length_B = at::full({shape.sequences}, shape.cached, at::kLong);
  problem.prefix.position_BT = (at::arange(shape.cached, at::kLong) * 2).expand({shape.sequences, -1});
  std::vector<int64_t> sequence, end;
  for (int64_t r = 0; r < shape.branches; ++r) {
    sequence.push_back(static_cast<int64_t>(rng.below(static_cast<uint64_t>(shape.sequences))));
    end.push_back(1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(shape.cached))));
  }
  std::sort(sequence.begin(), sequence.end());
  end[0] = 0;
  end.back() = shape.cached;
  if (shape.branches > 3) end[2] = end[1];
  problem.branches.sequence_R = at::tensor(sequence, at::kLong);
  problem.branches.end_R = at::tensor(end, at::kLong);
  at::Tensor place_S = at::arange(shape.rows, at::kLong);
  if (shape.keep_positions)
    place_S = at::cat({place_S.narrow(0, 0, own > 0 ? shape.rows / 2 : 0), place_S}).narrow(0, 0, shape.rows);
  problem.branches.position_RS = (problem.branches.end_R * 2).unsqueeze(1) + place_S.unsqueeze(0);
  return problem;
}

// One branch at a time under a mask, over copies of what it sees.
at::Tensor one_by_one(const BranchProblem& problem) {
  std::vector<at::Tensor> out;
  for (int64_t r = 0; r < problem.q_RSHD.size(0); ++r) {
    const int64_t b = problem.branches.sequence_R[r].item<int64_t>(), end = problem.branches.end_R[r].item<int64_t>(),
                  rows = problem.q_RSHD.size(1);
    const auto seen = [&](const at::Tensor& cache_BGTD, const at::Tensor& own_RSGD) {
      return at::cat({cache_BGTD[b].narrow(1, 0, end).transpose(0, 1), own_RSGD[r]});
    };
    const at::Tensor position_S = problem.branches.position_RS[r],
                     position_T = at::cat({problem.prefix.position_BT[b].narrow(0, 0, end), position_S});
    at::Tensor visible_ST =
        at::arange(end + rows, at::kLong).unsqueeze(0) <= at::arange(end, end + rows, at::kLong).unsqueeze(1);
    if (problem.spec.window > 0)
      visible_ST = visible_ST.logical_and(position_S.unsqueeze(1) - position_T.unsqueeze(0) < problem.spec.window);
    out.push_back(testing::dense_attention(problem.q_RSHD[r], seen(problem.prefix.k_BGTD, problem.k_RSGD),
                                           seen(problem.prefix.v_BGTD, problem.v_RSGD), visible_ST, problem.spec));
  }
  return at::stack(out);
}

class BranchAttention : public ::testing::TestWithParam<BranchShape> {
 protected:
  double tolerance() const { return GetParam().dtype == at::kFloat ? 2e-5 : 1e-12; }
};

TEST_P(BranchAttention, EqualsOneBranchAtATime) {
  const BranchProblem problem = branch_problem(GetParam());
  expect_near(problem.attend(), one_by_one(problem), tolerance());
}

TEST_P(BranchAttention, GradientsEqualOneBranchAtATime) {
  BranchProblem problem = branch_problem(GetParam());
  for (at::Tensor* x : {&problem.q_RSHD, &problem.k_RSGD, &problem.v_RSGD}) *x = x->detach().requires_grad_();
  const std::vector<at::Tensor> inputs = {problem.q_RSHD, problem.k_RSGD, problem.v_RSGD};
  const at::Tensor d_out = random_normal(problem.q_RSHD.sizes(), "d_out", GetParam().dtype);
  const auto found = torch::autograd::grad({problem.attend()}, inputs, {d_out});
  const auto expected = torch::autograd::grad({one_by_one(problem)}, inputs, {d_out});
  for (size_t i = 0; i < inputs.size(); ++i) expect_near(found[i], expected[i], 10 * tolerance());
}

TEST(BranchAttentionOp, TakesStridedSequencesAndEnds) {
  BranchProblem problem = branch_problem({.name = "strided"});
  const at::Tensor expected = problem.attend();
  const auto strided = [](const at::Tensor& x_R) { return at::stack({x_R, at::zeros_like(x_R)}, 1).select(1, 0); };
  problem.branches.sequence_R = strided(problem.branches.sequence_R);
  problem.branches.end_R = strided(problem.branches.end_R);
  EXPECT_TRUE(problem.attend().equal(expected));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BranchAttention,
    ::testing::Values(
        BranchShape{.name = "usual"}, BranchShape{.name = "float", .dtype = at::kFloat},
        BranchShape{.name = "one_branch", .branches = 1, .sequences = 1},
        BranchShape{.name = "nineteen_branches", .branches = 19, .sequences = 1},
        BranchShape{.name = "one_row", .rows = 1, .cached = 1},
        BranchShape{.name = "thirty_seven_rows", .branches = 2, .rows = 37, .cached = 37},
        BranchShape{.name = "every_head_its_own", .heads = 3, .groups = 3},
        BranchShape{.name = "one_group", .heads = 5, .groups = 1}, BranchShape{.name = "capped", .softcap = 0.7},
        BranchShape{.name = "window", .window = 5}, BranchShape{.name = "window_of_one", .window = 1},
        BranchShape{.name = "capped_window_kept_positions", .softcap = 0.7, .window = 4, .keep_positions = true},
        BranchShape{.name = "two_in_a_chunk", .branches = 7, .rows = 24, .sequences = 2, .cached = 300},
        BranchShape{
            .name = "many_chunks", .branches = 9, .rows = 24, .cached = 3000, .heads = 24, .groups = 1, .width = 2}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace bt
