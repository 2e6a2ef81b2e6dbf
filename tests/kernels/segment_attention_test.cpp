#include "kernels/segment_attention.h"

#include "kernels/attention_test_support.h"

namespace bt {
namespace {

using testing::AttentionProblem;
using testing::AttentionShape;

// out [B, S, H, D] and lse [B, S, H]
template <class Number>
struct Attended {
  std::vector<Number> out, lse;
};

template <class Number>
Attended<Number> plain(const AttentionProblem& p) {
  const auto width = static_cast<size_t>(p.shape.width);
  Attended<Number> all{std::vector<Number>(p.q.size()), {}};
  for (int b = 0; b < p.shape.sequences; ++b) {
    for (int s = 0; s < p.shape.queries; ++s) {
      for (int h = 0; h < p.shape.heads; ++h) {
        const auto looked = testing::look<Number>(p, b, s, h);
        all.lse.push_back(looked.lse);
        for (int t = 0; t < p.shape.rows; ++t) {
          for (size_t d = 0; d < width; ++d) {
            all.out[p.q_at(b, s, h) + d] +=
                looked.p[static_cast<size_t>(t)] * static_cast<Number>(p.v[p.kv_at(b, p.group_of(h), t) + d]);
          }
        }
      }
    }
  }
  return all;
}

Attended<float> kernel_attention(const AttentionProblem& p, int splits) {
  const testing::AttentionMemory memory(p);
  const auto count = static_cast<size_t>(p.shape.sequences * p.shape.queries * p.shape.heads);
  const auto parts = static_cast<size_t>(splits);
  const auto [out, lse] = testing::in_every_order([&] {
    std::vector<uint16_t> out_bits(p.q.size(), 0xffff);
    std::vector<float> lse_of(count, std::nanf(""));
    std::vector<float> part_out(parts * p.q.size(), std::nanf("")), part_lse(parts * count, std::nanf(""));
    kernels::segment_attention({memory.work, out_bits.data(), lse_of.data(), splits, part_out.data(), part_lse.data()},
                               {});
    return std::pair(out_bits, lse_of);
  });
  return {testing::floats_of(out, p.shape.type), lse};
}

const std::vector<AttentionShape> kShapes = {
    {},
    {.sequences = 1, .queries = 1, .rows = 1},
    {.sequences = 1, .queries = 2, .rows = 64},
    {.sequences = 19, .queries = 1, .heads = 2, .groups = 1},
    {.sequences = 1, .queries = 37, .rows = 70, .heads = 8, .groups = 2},  // two blocks of packed rows
    {.queries = 17, .rows = 140, .heads = 3, .groups = 3, .type = kernels::Element::fp16},
    {.width = 128},
    {.rows = 100, .window = 9},
    {.softcap = .8f},
    {.rows = 70, .dead_rows = true},
    {.rows = 70, .width = 128, .softcap = 1.2f, .window = 20, .dead_rows = true, .type = kernels::Element::fp16}};

void expect_as_good_as_plain(const AttentionProblem& p, int splits, const std::string& what) {
  const Attended<double> exact = plain<double>(p);
  const Attended<float> rounded_once = plain<float>(p), found = kernel_attention(p, splits);
  EXPECT_LE(testing::greatest_error(found.out, exact.out),
            2 * testing::greatest_error(testing::rounded(rounded_once.out, p.shape.type), exact.out))
      << what;
  EXPECT_LE(testing::greatest_error(found.lse, exact.lse), 2e-6) << what;
}

TEST(SegmentAttentionKernel, ErrsAtMostTwiceAsMuchAsPlainSumsRoundedOnce) {
  for (size_t i = 0; i < kShapes.size(); ++i)
    expect_as_good_as_plain(testing::random_problem(kShapes[i]), 1, "shape " + std::to_string(i));
}

TEST(SegmentAttentionKernel, PartsMergeIntoTheWhole) {
  for (const int splits : {2, 3, 7}) {
    for (const AttentionShape& shape :
         {AttentionShape{.rows = 200}, AttentionShape{.queries = 1, .rows = 150, .width = 128, .dead_rows = true}}) {
      expect_as_good_as_plain(testing::random_problem(shape), splits, std::to_string(splits) + " splits");
    }
  }
}

TEST(SegmentAttentionKernel, AQueryThatSeesNothingGivesZeroAndMinusInfinity) {
  AttentionProblem p = testing::random_problem({.sequences = 1, .rows = 70, .dead_rows = true});
  std::fill(p.alive.begin(), p.alive.end(), 0);
  for (const int splits : {1, 2}) {
    const Attended<float> found = kernel_attention(p, splits);
    EXPECT_EQ(found.out, std::vector<float>(p.q.size(), 0.f));
    EXPECT_EQ(found.lse, std::vector<float>(found.lse.size(), -INFINITY));
  }
}

TEST(SegmentAttentionKernel, WhatIsNoNumberShows) {
  AttentionProblem p = testing::random_problem({.sequences = 1});
  std::fill(p.k.begin(), p.k.end(), std::nanf(""));
  const testing::AttentionMemory memory(p);
  for (const int splits : {1, 2}) {
    std::vector<uint16_t> out(p.q.size());
    std::vector<float> lse(20), part_out(2 * p.q.size()), part_lse(40);
    kernels::segment_attention({memory.work, out.data(), lse.data(), splits, part_out.data(), part_lse.data()}, {});
    for (const float x : testing::floats_of(out, p.shape.type)) ASSERT_TRUE(std::isnan(x));
  }
}

TEST(SegmentAttentionKernel, SplitsFillTheGpuAndNoMore) {
  kernels::Attention work{};
  work.sequences = 1, work.queries = 1, work.heads = 32, work.groups = 8, work.rows = 4096;
  EXPECT_EQ(kernels::segment_attention_splits(work, 132), 32);
  work.rows = 127;
  EXPECT_EQ(kernels::segment_attention_splits(work, 132), 1);
  work.rows = 4096, work.sequences = 64, work.queries = 25;
  EXPECT_EQ(kernels::segment_attention_splits(work, 132), 1);
  work.queries = 0;
  EXPECT_EQ(kernels::segment_attention_splits(work, 132), 1);
}

TEST(SegmentAttentionKernel, NothingToDo) {
  const auto empty = [](int sequences, int queries) {
    kernels::Attention work{};
    work.type = kernels::Element::bf16, work.sequences = sequences, work.queries = queries;
    work.groups = work.heads = 1, work.width = 64;
    kernels::segment_attention({work, nullptr, nullptr, 1, nullptr, nullptr}, {});
  };
  empty(0, 4);
  empty(4, 0);
}

TEST(SegmentAttentionKernel, NoRowsGiveZeros) {
  kernels::Attention work{};
  const std::vector<int64_t> none = {0};
  std::vector<uint16_t> q(64, 7), out(64, 7);
  float lse = 1;
  work.type = kernels::Element::bf16, work.sequences = work.queries = work.groups = work.heads = 1, work.width = 64;
  work.q = q.data(), work.query_length = work.length = none.data();
  kernels::segment_attention({work, out.data(), &lse, 1, nullptr, nullptr}, {});
  EXPECT_EQ(out, std::vector<uint16_t>(64, 0));
  EXPECT_EQ(lse, -INFINITY);
}

}  // namespace
}  // namespace bt
