// Random caches on awkward sizes, and the operators' reference: loops over scalars in fp64.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "bt/core/random.h"
#include "bt/ops/ops.h"

namespace bt::testing {

struct CacheShape {
  std::string name;
  int64_t batch = 3, queries = 5, rows = 11, heads = 4, groups = 2, width = 6;
  double softcap = 0;
  int64_t window = 0;
  bool dead_rows = false;
  at::ScalarType dtype = at::kDouble;
};

inline void PrintTo(const CacheShape& shape, std::ostream* out) { *out << shape.name; }

struct CacheProblem {
  at::Tensor q_BSHD, query_length_B;
  KvView kv;
  AttentionSpec spec;
};

inline at::Tensor random_normal(at::IntArrayRef shape, const char* name, at::ScalarType dtype = at::kDouble) {
  at::Tensor x = at::empty(shape, at::kFloat);
  fill_normal({x.mutable_data_ptr<float>(), static_cast<size_t>(x.numel())}, 1.0, 3, stream_id(name));
  return x.to(dtype);
}

// A view [B, G, T, D] whose rows lie apart in memory: every stride differs from the contiguous one.
inline at::Tensor strided(const at::Tensor& x_BGTD) {
  const auto& n = x_BGTD.sizes();
  at::Tensor wide = at::full({n[0], n[2] + 2, n[1], n[3] + 1}, 77, x_BGTD.options());
  at::Tensor view = wide.narrow(1, 1, n[2]).narrow(3, 0, n[3]).transpose(1, 2);
  view.copy_(x_BGTD);
  return view;
}

// Lengths from 1 to T; query lengths from 0 to S; positions with gaps; rows past the length hold large numbers.
inline CacheProblem random_problem(const CacheShape& shape) {
  CounterRng rng(9, stream_id(shape.name));
  CacheProblem problem;
  problem.q_BSHD = random_normal({shape.batch, shape.queries, shape.heads, shape.width}, "q", shape.dtype);
  problem.query_length_B = at::zeros({shape.batch}, at::kLong);
  problem.spec = {0.4, shape.softcap, shape.window};
  at::Tensor k = random_normal({shape.batch, shape.groups, shape.rows, shape.width}, "k", shape.dtype);
  at::Tensor v = random_normal({shape.batch, shape.groups, shape.rows, shape.width}, "v", shape.dtype);
  KvView& kv = problem.kv;
  kv.length_B = at::zeros({shape.batch}, at::kLong);
  kv.position_BT = at::zeros({shape.batch, shape.rows}, at::kLong);
  if (shape.dead_rows) kv.alive_BT = at::ones({shape.batch, shape.rows}, at::kBool);
  for (int64_t b = 0; b < shape.batch; ++b) {
    const int64_t length = b == 0 ? shape.rows : 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(shape.rows)));
    const int64_t most = std::min(shape.queries, length);
    const int64_t queries =
        b == 1 ? 0 : (b == 0 ? most : static_cast<int64_t>(rng.below(static_cast<uint64_t>(most + 1))));
    kv.length_B[b] = length;
    problem.query_length_B[b] = queries;
    int64_t position = 0;
    for (int64_t t = 0; t < shape.rows; ++t) {
      kv.position_BT[b][t] = position;
      position += 1 + static_cast<int64_t>(rng.below(3));
      if (shape.dead_rows && rng.uniform() < 0.3) kv.alive_BT[b][t] = false;
    }
    k[b].narrow(1, length, shape.rows - length).fill_(100);
    v[b].narrow(1, length, shape.rows - length).fill_(100);
  }
  kv.k_BGTD = strided(k);
  kv.v_BGTD = strided(v);
  return problem;
}

// The problem's cache with its rows back to front in one pool, between rows that are no numbers; wanted rows of it.
struct PagedProblem {
  ops::PagedKv kv;
  at::Tensor rows_BW;
};

inline PagedProblem paged(const CacheProblem& problem) {
  const KvView& kv = problem.kv;
  const int64_t batch = kv.k_BGTD.size(0), rows = kv.k_BGTD.size(2), count = batch * rows;
  const auto by_row = [](const at::Tensor& x_BGTD) { return x_BGTD.transpose(1, 2).flatten(0, 1); };
  const at::Tensor cache_n2GD = at::stack({by_row(kv.k_BGTD), by_row(kv.v_BGTD)}, 1);
  at::Tensor pool_P2GD = at::full_like(cache_n2GD, std::numeric_limits<double>::quiet_NaN()).repeat({2, 1, 1, 1});
  const at::Tensor place_n = 2 * (count - 1 - at::arange(count, kv.length_B.options()));
  pool_P2GD.index_copy_(0, place_n, cache_n2GD);
  const at::Tensor row_T = at::arange(rows, kv.length_B.options());
  return {{pool_P2GD, place_n.view({batch, rows}), kv.length_B, kv.position_BT, kv.alive_BT},
          at::cat({row_T.flip(0), at::full({1}, -1, row_T.options()), row_T.slice(0, 0, rows, 3)}).expand({batch, -1})};
}

struct PlainAttention {
  at::Tensor out_BSHD, lse_BSH, p_BSHT;  // fp64; p is 0 where hidden
};

inline bool sees(const CacheProblem& problem, int64_t b, int64_t s, int64_t t) {
  const auto at = [b](const at::Tensor& x) { return x[b].item<int64_t>(); };
  const int64_t own = at(problem.kv.length_B) - at(problem.query_length_B) + s;
  if (s >= at(problem.query_length_B) || t > own) return false;
  const auto position = problem.kv.position_BT.accessor<int64_t, 2>();
  const int64_t window = problem.spec.window;
  if (window > 0 && position[b][own] - position[b][t] >= window) return false;
  return !problem.kv.alive_BT.defined() || problem.kv.alive_BT[b][t].item<bool>();
}

inline PlainAttention plain_attention(const CacheProblem& problem) {
  const at::Tensor q = problem.q_BSHD.to(at::kDouble), k = problem.kv.k_BGTD.to(at::kDouble),
                   v = problem.kv.v_BGTD.to(at::kDouble);
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), width = q.size(3), groups = k.size(1),
                rows = k.size(2);
  PlainAttention plain{at::zeros_like(q),
                       at::full({batch, queries, heads}, -std::numeric_limits<double>::infinity(), at::kDouble),
                       at::zeros({batch, queries, heads, rows}, at::kDouble)};
  const auto q_at = q.accessor<double, 4>(), k_at = k.accessor<double, 4>(), v_at = v.accessor<double, 4>();
  auto out = plain.out_BSHD.accessor<double, 4>(), p = plain.p_BSHT.accessor<double, 4>();
  auto lse = plain.lse_BSH.accessor<double, 3>();
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t s = 0; s < queries; ++s) {
      std::vector<int64_t> seen;
      for (int64_t t = 0; t < rows; ++t) {
        if (sees(problem, b, s, t)) seen.push_back(t);
      }
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t g = h / (heads / groups);
        double total = 0;
        for (const int64_t t : seen) {
          double score = 0;
          for (int64_t d = 0; d < width; ++d) score += q_at[b][s][h][d] * k_at[b][g][t][d];
          score *= problem.spec.scale;
          if (problem.spec.softcap > 0) score = problem.spec.softcap * std::tanh(score / problem.spec.softcap);
          p[b][s][h][t] = std::exp(score);
          total += p[b][s][h][t];
        }
        if (!seen.empty()) lse[b][s][h] = std::log(total);
        for (const int64_t t : seen) {
          p[b][s][h][t] /= total;
          for (int64_t d = 0; d < width; ++d) out[b][s][h][d] += p[b][s][h][t] * v_at[b][g][t][d];
        }
      }
    }
  }
  return plain;
}

// |a - b| <= tolerance everywhere; infinities must be equal.
inline void expect_near(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const at::Tensor close = ((x - y).abs() <= tolerance).logical_or(x == y);
  EXPECT_TRUE(close.all().item<bool>()) << "greatest difference " << (x - y).masked_fill(close, 0).abs().max();
}

// Every element of every input's gradient against central differences, for a random projection of the output.
inline void expect_gradients(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
                             const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().requires_grad_());
  const at::Tensor out = f(leaves), projection = random_normal(out.sizes(), "projection");
  const auto gradients = torch::autograd::grad({(out * projection).sum()}, leaves);
  constexpr double step = 1e-6;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < leaves.size(); ++i) {
    at::Tensor flat = leaves[i].view({-1});
    const at::Tensor analytic = gradients[i].reshape({-1});
    for (int64_t n = 0; n < flat.numel(); ++n) {
      const double value = flat[n].item<double>();
      const auto at_value = [&](double x) {
        flat[n] = x;
        return (f(leaves) * projection).sum().item<double>();
      };
      const double numeric = (at_value(value + step) - at_value(value - step)) / (2 * step);
      flat[n] = value;
      ASSERT_NEAR(analytic[n].item<double>(), numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
          << "input " << i << ", element " << n;
    }
  }
}

}  // namespace bt::testing
