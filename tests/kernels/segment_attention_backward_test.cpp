#include "kernels/segment_attention_backward.h"

#include "kernels/attention_test_support.h"

namespace bt {
namespace {

using testing::AttentionProblem;
using testing::AttentionShape;

// A problem, the gradient of its output, and what the forward pass gave; padding queries hold 100.
struct Problem {
  AttentionProblem forward;
  std::vector<float> d_out, out, lse;
};

// q [B, S, H, D], k and v [B, T, G, D]
template <class Number>
struct Gradients {
  std::vector<Number> q, k, v;
};

Problem backward_problem(const AttentionShape& shape) {
  Problem p{testing::random_problem(shape), {}, {}, {}};
  const AttentionProblem& x = p.forward;
  p.d_out = testing::rounded(testing::random_floats(x.q.size(), 5), shape.type);
  p.out.assign(x.q.size(), 0);
  for (int b = 0; b < shape.sequences; ++b) {
    for (int s = 0; s < shape.queries; ++s) {
      for (int h = 0; h < shape.heads; ++h) {
        const auto looked = testing::look<double>(x, b, s, h);
        p.lse.push_back(static_cast<float>(looked.lse));
        for (size_t d = 0; d < static_cast<size_t>(shape.width); ++d) {
          double sum = 0;
          for (int t = 0; t < shape.rows; ++t)
            sum += looked.p[static_cast<size_t>(t)] * static_cast<double>(x.v[x.kv_at(b, x.group_of(h), t) + d]);
          p.out[x.q_at(b, s, h) + d] = static_cast<float>(sum);
          if (s >= x.query_length[static_cast<size_t>(b)]) p.d_out[x.q_at(b, s, h) + d] = 100;
        }
      }
    }
  }
  p.out = testing::rounded(p.out, shape.type);
  return p;
}

// Adds the gradients that one query of one head gives.
template <class Number>
void add_query(const Problem& p, int b, int s, int h, Gradients<Number>& all) {
  const AttentionProblem& x = p.forward;
  const auto looked = testing::look<Number>(x, b, s, h);
  const auto width = static_cast<size_t>(x.shape.width), q = x.q_at(b, s, h);
  std::vector<Number> d_p(looked.p.size());
  Number delta = 0;
  for (int t = 0; t < x.shape.rows; ++t) {
    const auto at = static_cast<size_t>(t), row = x.kv_at(b, x.group_of(h), t);
    for (size_t d = 0; d < width && x.sees(b, s, t); ++d) {
      d_p[at] += static_cast<Number>(p.d_out[q + d]) * static_cast<Number>(x.v[row + d]);
      all.v[row + d] += looked.p[at] * static_cast<Number>(p.d_out[q + d]);
    }
    delta += looked.p[at] * d_p[at];
  }
  for (int t = 0; t < x.shape.rows; ++t) {
    if (!x.sees(b, s, t)) continue;
    const auto at = static_cast<size_t>(t), row = x.kv_at(b, x.group_of(h), t);
    const Number d_product = looked.p[at] * (d_p[at] - delta) * looked.capped[at] * static_cast<Number>(x.scale);
    for (size_t d = 0; d < width; ++d) {
      all.q[q + d] += d_product * static_cast<Number>(x.k[row + d]);
      all.k[row + d] += d_product * static_cast<Number>(x.q[q + d]);
    }
  }
}

template <class Number>
Gradients<Number> plain(const Problem& p) {
  const AttentionProblem& x = p.forward;
  Gradients<Number> all{std::vector<Number>(x.q.size()), std::vector<Number>(x.k.size()),
                        std::vector<Number>(x.v.size())};
  for (int b = 0; b < x.shape.sequences; ++b) {
    for (int s = 0; s < x.shape.queries; ++s) {
      for (int h = 0; h < x.shape.heads; ++h) add_query(p, b, s, h, all);
    }
  }
  return all;
}

// As numbers in memory, and the work that points to them, for all rows of the cache.
struct Memory {
  testing::AttentionMemory forward;
  std::vector<uint16_t> out, d_out;
  kernels::SegmentAttentionBackward work{};

  explicit Memory(const Problem& p)
      : forward(p.forward),
        out(testing::bits_of(p.out, p.forward.shape.type)),
        d_out(testing::bits_of(p.d_out, p.forward.shape.type)) {
    work.attention = forward.work;
    work.out = out.data(), work.d_out = d_out.data(), work.lse = p.lse.data();
    work.wanted_rows = p.forward.shape.rows;
  }
};

// Of the wanted rows, k and v [B, W, G, D].
Gradients<float> kernel_gradients(kernels::SegmentAttentionBackward work) {
  const kernels::Attention& a = work.attention;
  const auto heads = static_cast<size_t>(a.sequences * a.queries * a.heads),
             rows = static_cast<size_t>(a.sequences * a.groups * work.wanted_rows),
             width = static_cast<size_t>(a.width);
  const auto [q, k, v] = testing::in_every_order([&] {
    std::vector<float> delta(heads, std::nanf("")), d_q(heads * width, std::nanf("")), d_k(rows * width, std::nanf("")),
        d_v = d_k;
    work.delta = delta.data(), work.d_q = d_q.data(), work.d_k = d_k.data(), work.d_v = d_v.data();
    const int64_t row = static_cast<int64_t>(a.groups) * a.width;
    work.d_stride = {work.wanted_rows * row, a.width, row};
    kernels::segment_attention_dq(work, {});
    kernels::segment_attention_dkv(work, {});
    return std::tuple(d_q, d_k, d_v);
  });
  return {q, k, v};
}

const std::vector<AttentionShape> kShapes = {
    {},
    {.sequences = 1, .queries = 1, .rows = 1},
    {.sequences = 1, .queries = 2, .rows = 64},
    {.sequences = 19, .queries = 1, .heads = 2, .groups = 1},
    {.sequences = 1, .queries = 37, .rows = 70, .heads = 8, .groups = 2},  // two blocks and three tiles of queries
    {.queries = 17, .rows = 140, .heads = 3, .groups = 3, .type = kernels::Element::fp16},  // two blocks of cached rows
    {.width = 128},
    {.rows = 100, .window = 9},
    {.softcap = .8f},
    {.rows = 70, .dead_rows = true},
    {.rows = 70, .width = 128, .softcap = 1.2f, .window = 20, .dead_rows = true, .type = kernels::Element::fp16}};

TEST(SegmentAttentionBackwardKernel, ErrsAtMostTwiceAsMuchAsPlainSumsRoundedOnce) {
  for (size_t i = 0; i < kShapes.size(); ++i) {
    const Problem p = backward_problem(kShapes[i]);
    const Gradients<double> exact = plain<double>(p);
    const Gradients<float> in_float = plain<float>(p), found = kernel_gradients(Memory(p).work);
    const auto allowed = [&](const std::vector<float>& x, const std::vector<double>& exactly) {
      return 2 * testing::greatest_error(testing::rounded(x, kShapes[i].type), exactly) + 1e-6;
    };
    EXPECT_LE(testing::greatest_error(found.q, exact.q), allowed(in_float.q, exact.q)) << "q, shape " << i;
    EXPECT_LE(testing::greatest_error(found.k, exact.k), allowed(in_float.k, exact.k)) << "k, shape " << i;
    EXPECT_LE(testing::greatest_error(found.v, exact.v), allowed(in_float.v, exact.v)) << "v, shape " << i;
  }
}

TEST(SegmentAttentionBackwardKernel, PaddingAndRowsPastTheLengthGetZeros) {
  const Problem p = backward_problem({});
  const AttentionProblem& x = p.forward;
  const Gradients<float> found = kernel_gradients(Memory(p).work);
  for (int b = 0; b < x.shape.sequences; ++b) {
    for (int s = static_cast<int>(x.query_length[static_cast<size_t>(b)]); s < x.shape.queries; ++s)
      ASSERT_EQ(found.q[x.q_at(b, s, 0)], 0) << b << " " << s;
    for (int t = static_cast<int>(x.length[static_cast<size_t>(b)]); t < x.shape.rows; ++t)
      ASSERT_EQ(found.k[x.kv_at(b, 0, t)], 0) << b << " " << t;
  }
}

// The rows of all caches in one pool, back to front, with rows between them that are no numbers.
struct Pool {
  std::vector<uint16_t> k, v;
  std::vector<int64_t> table;

  Pool(const AttentionShape& shape, const Memory& memory) {
    const auto row = static_cast<size_t>(shape.groups * shape.width), rows = memory.forward.k.size() / row;
    k.assign(2 * rows * row, 0x7fff);
    v = k;
    for (size_t i = 0; i < rows; ++i) {
      const size_t place = 2 * (rows - 1 - i);
      table.push_back(static_cast<int64_t>(place));
      std::copy_n(memory.forward.k.begin() + static_cast<std::ptrdiff_t>(i * row), row,
                  k.begin() + static_cast<std::ptrdiff_t>(place * row));
      std::copy_n(memory.forward.v.begin() + static_cast<std::ptrdiff_t>(i * row), row,
                  v.begin() + static_cast<std::ptrdiff_t>(place * row));
    }
  }
};

TEST(SegmentAttentionBackwardKernel, WantedRowsOfATableGetTheSameBits) {
  for (const AttentionShape& shape :
       {AttentionShape{.rows = 70}, AttentionShape{.rows = 90, .width = 128, .window = 20, .dead_rows = true}}) {
    const Problem p = backward_problem(shape);
    Memory memory(p);
    const Gradients<float> all = kernel_gradients(memory.work);
    const Pool pool(shape, memory);
    const std::vector<int64_t> of_sequence = {33, -1, 2, shape.rows - 1, -1, 34, 69, 0, 68, 66, 67, 3, 4, 5, 6, 7,
                                              8,  9,  1};
    const auto count = static_cast<int>(of_sequence.size());
    std::vector<int64_t> wanted;
    for (int b = 0; b < shape.sequences; ++b) wanted.insert(wanted.end(), of_sequence.begin(), of_sequence.end());
    memory.work.attention.k = pool.k.data(), memory.work.attention.v = pool.v.data();
    memory.work.attention.k_stride.sequence = memory.work.attention.v_stride.sequence = 0;
    memory.work.table = pool.table.data(), memory.work.table_stride = shape.rows;
    memory.work.wanted = wanted.data(), memory.work.wanted_stride = memory.work.wanted_rows = count;
    const Gradients<float> some = kernel_gradients(memory.work);
    EXPECT_EQ(some.q, all.q);
    const auto row = static_cast<size_t>(shape.groups * shape.width);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const int b = static_cast<int>(i) / count;
      for (size_t d = 0; d < row; ++d) {
        const size_t from = p.forward.kv_at(b, 0, static_cast<int>(std::max<int64_t>(wanted[i], 0))) + d;
        ASSERT_EQ(some.k[i * row + d], wanted[i] < 0 ? 0 : all.k[from]) << "row " << wanted[i] << " of " << b;
        ASSERT_EQ(some.v[i * row + d], wanted[i] < 0 ? 0 : all.v[from]) << "row " << wanted[i] << " of " << b;
      }
    }
  }
}

TEST(SegmentAttentionBackwardKernel, AQueryThatSeesNothingGivesNothing) {
  Problem p = backward_problem({.sequences = 1, .rows = 70, .dead_rows = true});
  std::fill(p.forward.alive.begin(), p.forward.alive.end(), 0);
  std::fill(p.lse.begin(), p.lse.end(), -INFINITY);
  const Gradients<float> found = kernel_gradients(Memory(p).work);
  EXPECT_EQ(found.q, std::vector<float>(found.q.size(), 0.f));
  EXPECT_EQ(found.k, std::vector<float>(found.k.size(), 0.f));
  EXPECT_EQ(found.v, std::vector<float>(found.v.size(), 0.f));
}

TEST(SegmentAttentionBackwardKernel, WhatIsNoNumberShows) {
  Problem p = backward_problem({.sequences = 1, .rows = 5});
  std::fill(p.d_out.begin(), p.d_out.end(), std::nanf(""));
  const Gradients<float> found = [&] {
    const Memory memory(p);
    kernels::SegmentAttentionBackward work = memory.work;
    std::vector<float> delta(20), d_q(p.d_out.size()), d_k(640), d_v(640);
    work.delta = delta.data(), work.d_q = d_q.data(), work.d_k = d_k.data(), work.d_v = d_v.data();
    work.d_stride = {640, 64, 128};
    kernels::segment_attention_dq(work, {});
    kernels::segment_attention_dkv(work, {});
    return Gradients<float>{d_q, d_k, d_v};
  }();
  for (const auto& all : {found.q, found.k, found.v}) {
    for (const float x : all) ASSERT_TRUE(std::isnan(x));
  }
}

TEST(SegmentAttentionBackwardKernel, NoQueriesGiveZerosAndNoSequencesNothing) {
  kernels::SegmentAttentionBackward work{};
  const std::vector<int64_t> none = {0}, length = {3};
  std::vector<uint16_t> kv(3 * 64, 0x3f80);
  kernels::Attention& a = work.attention;
  a.type = kernels::Element::bf16, a.sequences = a.groups = a.heads = 1, a.rows = 3, a.width = 64;
  a.k = a.v = kv.data(), a.k_stride = a.v_stride = {192, 192, 64};
  a.query_length = none.data(), a.length = length.data();
  work.wanted_rows = 3;
  const Gradients<float> found = kernel_gradients(work);
  EXPECT_EQ(found.k, std::vector<float>(192, 0.f));
  EXPECT_EQ(found.v, std::vector<float>(192, 0.f));
  a.sequences = 0;
  EXPECT_TRUE(kernel_gradients(work).k.empty());
}

}  // namespace
}  // namespace bt
