// Random caches with queries for the attention kernels, and what they compute by plain loops, in double or in float.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/attention.h"
#include "kernels/device.cuh"
#include "kernels/kernel_test_support.h"

namespace bt::testing {

struct AttentionShape {
  int sequences = 3, queries = 5, rows = 37, heads = 4, groups = 2, width = 64;
  float softcap = 0;
  int64_t window = 0;
  bool dead_rows = false;
  kernels::Element type = kernels::Element::bf16;
};

// Queries [B, S, H, D] and a cache [B, G, T, D] that is stored row by row, [B, T, G, D]; numbers rounded to the type
// but kept as floats. Sequence 0 is full, sequence 1 has no queries, the others are ragged; rows past the length hold
// 100.
struct AttentionProblem {
  AttentionShape shape;
  std::vector<float> q, k, v;
  std::vector<int64_t> query_length, length, position;
  std::vector<unsigned char> alive;
  float scale = 0.3f;

  size_t q_at(int b, int s, int h) const {
    return static_cast<size_t>((b * shape.queries + s) * shape.heads + h) * static_cast<size_t>(shape.width);
  }
  size_t kv_at(int b, int g, int t) const {
    return static_cast<size_t>((b * shape.rows + t) * shape.groups + g) * static_cast<size_t>(shape.width);
  }
  size_t row_at(int b, int t) const { return static_cast<size_t>(b * shape.rows + t); }
  int group_of(int head) const { return head / (shape.heads / shape.groups); }
  bool sees(int b, int s, int t) const {
    const auto at = static_cast<size_t>(b);
    const int64_t own = length[at] - query_length[at] + s;
    if (s >= query_length[at] || t > own) return false;
    if (shape.window > 0 && position[row_at(b, static_cast<int>(own))] - position[row_at(b, t)] >= shape.window)
      return false;
    return !shape.dead_rows || alive[row_at(b, t)] != 0;
  }
};

inline float rounded(float x, kernels::Element type) {
  return type == kernels::Element::bf16 ? kernels::widen(kernels::narrow<kernels::bfloat16>(x))
                                        : kernels::widen(kernels::narrow<kernels::half>(x));
}
inline std::vector<float> rounded(std::vector<float> x, kernels::Element type) {
  for (float& one : x) one = rounded(one, type);
  return x;
}
// As 16 bits each.
inline std::vector<uint16_t> bits_of(const std::vector<float>& x, kernels::Element type) {
  std::vector<uint16_t> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto one = kernels::narrow<kernels::bfloat16>(x[i]);
    const auto other = kernels::narrow<kernels::half>(x[i]);
    std::memcpy(&out[i], type == kernels::Element::bf16 ? static_cast<const void*>(&one) : &other, sizeof(uint16_t));
  }
  return out;
}
inline std::vector<float> floats_of(const std::vector<uint16_t>& x, kernels::Element type) {
  std::vector<float> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    kernels::bfloat16 one{};
    kernels::half other{};
    std::memcpy(type == kernels::Element::bf16 ? static_cast<void*>(&one) : &other, &x[i], sizeof(uint16_t));
    out[i] = type == kernels::Element::bf16 ? kernels::widen(one) : kernels::widen(other);
  }
  return out;
}

inline AttentionProblem random_problem(const AttentionShape& shape) {
  AttentionProblem p;
  p.shape = shape;
  const auto numbers = [&](size_t count, uint64_t seed) {
    return rounded(random_floats(count * static_cast<size_t>(shape.width), seed, -1.5f, 1.5f), shape.type);
  };
  p.q = numbers(static_cast<size_t>(shape.sequences * shape.queries * shape.heads), 1);
  p.k = numbers(static_cast<size_t>(shape.sequences * shape.rows * shape.groups), 2);
  p.v = numbers(static_cast<size_t>(shape.sequences * shape.rows * shape.groups), 3);
  std::mt19937 random(4);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int b = 0; b < shape.sequences; ++b) {
    p.length.push_back(b == 0 ? shape.rows : 1 + below(shape.rows));
    const int64_t most = std::min<int64_t>(shape.queries, p.length.back());
    p.query_length.push_back(b == 0 ? most : b == 1 ? 0 : below(most + 1));
    int64_t position = below(3);
    for (int t = 0; t < shape.rows; ++t) {
      p.position.push_back(position);
      position += 1 + below(3);
      p.alive.push_back(below(10) < 7);
      if (t < p.length.back()) continue;
      for (int g = 0; g < shape.groups; ++g) {
        std::fill_n(p.k.begin() + static_cast<std::ptrdiff_t>(p.kv_at(b, g, t)), shape.width, 100.f);
        std::fill_n(p.v.begin() + static_cast<std::ptrdiff_t>(p.kv_at(b, g, t)), shape.width, 100.f);
      }
    }
  }
  return p;
}

// What a kernel reads: the numbers in their own type, and the work that points to them.
struct AttentionMemory {
  std::vector<uint16_t> q, k, v;
  kernels::Attention work{};

  explicit AttentionMemory(const AttentionProblem& p)
      : q(bits_of(p.q, p.shape.type)), k(bits_of(p.k, p.shape.type)), v(bits_of(p.v, p.shape.type)) {
    const AttentionShape& s = p.shape;
    const auto wide = [](int x) { return static_cast<int64_t>(x); };
    const kernels::Strides q_stride{wide(s.queries) * s.heads * s.width, wide(s.heads) * s.width, s.width};
    const kernels::Strides kv_stride{wide(s.rows) * s.groups * s.width, s.width, wide(s.groups) * s.width};
    work.type = s.type;
    work.sequences = s.sequences, work.queries = s.queries, work.heads = s.heads;
    work.groups = s.groups, work.rows = s.rows, work.width = s.width;
    work.q = q.data(), work.k = k.data(), work.v = v.data();
    work.q_stride = q_stride, work.k_stride = work.v_stride = kv_stride;
    work.query_length = p.query_length.data(), work.length = p.length.data(), work.position = p.position.data();
    work.alive = s.dead_rows ? reinterpret_cast<const bool*>(p.alive.data()) : nullptr;
    work.position_stride = work.alive_stride = s.rows;
    work.scale = p.scale, work.softcap = s.softcap, work.window = s.window;
  }
};

// One query of one head by plain loops in Number: its probabilities and their logarithm's sum.
template <class Number>
struct Looked {
  std::vector<Number> score, p;  // [T]
  std::vector<Number> capped;    // derivative of the score by scale * q.k
  Number lse = -std::numeric_limits<Number>::infinity();
};
template <class Number>
Looked<Number> look(const AttentionProblem& x, int b, int s, int h) {
  const auto rows = static_cast<size_t>(x.shape.rows);
  Looked<Number> out{std::vector<Number>(rows), std::vector<Number>(rows), std::vector<Number>(rows, 1)};
  Number most = out.lse, sum = 0;
  for (int t = 0; t < x.shape.rows; ++t) {
    if (!x.sees(b, s, t)) continue;
    Number score = 0;
    const size_t q = x.q_at(b, s, h), k = x.kv_at(b, x.group_of(h), t);
    for (size_t d = 0; d < static_cast<size_t>(x.shape.width); ++d)
      score += static_cast<Number>(x.q[q + d]) * static_cast<Number>(x.k[k + d]);
    score *= static_cast<Number>(x.scale);
    const auto cap = static_cast<Number>(x.shape.softcap);
    if (cap > 0) {
      const Number tanh = std::tanh(score / cap);
      score = cap * tanh;
      out.capped[static_cast<size_t>(t)] = 1 - tanh * tanh;
    }
    out.score[static_cast<size_t>(t)] = score;
    most = std::max(most, score);
  }
  for (int t = 0; t < x.shape.rows; ++t) {
    Number& p = out.p[static_cast<size_t>(t)];
    p = x.sees(b, s, t) ? std::exp(out.score[static_cast<size_t>(t)] - most) : 0;
    sum += p;
  }
  if (sum == 0) return out;
  for (Number& p : out.p) p /= sum;
  out.lse = most + std::log(sum);
  return out;
}

template <class A, class B>
double greatest_error(const std::vector<A>& found, const std::vector<B>& exact) {
  EXPECT_EQ(found.size(), exact.size());
  double most = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto a = static_cast<double>(found[i]), b = static_cast<double>(exact[i]);
    if (std::isinf(b) && a == b) continue;
    const double error = std::abs(a - b);
    if (!(error <= most)) most = error;  // no number counts as the greatest
  }
  return most;
}

}  // namespace bt::testing
