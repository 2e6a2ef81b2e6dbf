#include "bt/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <vector>

namespace bt {
namespace {

using Words4 = std::array<uint32_t, 4>;

// Known answers for philox4x32-10 published with Random123 (Salmon et al. 2011).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::vector<uint32_t> first_draws(CounterRng rng) {
  std::vector<uint32_t> draws(9);
  for (uint32_t& draw : draws) draw = rng.next_u32();
  return draws;
}

TEST(CounterRng, EveryPartOfTheKeyMatters) {
  constexpr uint64_t kHigh = uint64_t{1} << 32;
  const std::vector<CounterRng> all = {CounterRng(1, 2, 3),        CounterRng(1, 2),  CounterRng(2, 1, 3),
                                       CounterRng(1, 3, 2),        {1 + kHigh, 2, 3}, CounterRng(1, 2 + kHigh, 3),
                                       CounterRng(1, 2, 3 + kHigh)};
  std::set<std::vector<uint32_t>> different;
  for (const CounterRng& rng : all) different.insert(first_draws(rng));
  EXPECT_EQ(different.size(), all.size());
  EXPECT_EQ(first_draws(CounterRng(1, 2, 3)), first_draws(CounterRng(1, 2, 3)));
}

TEST(CounterRng, UniformFillsTheUnitInterval) {
  CounterRng rng(7, 0);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100000; ++i) {
    const double value = rng.uniform();
    ASSERT_TRUE(value >= 0 && value < 1);
    ++counts[static_cast<size_t>(value * 10)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * std::sqrt(9000.0));  // five standard deviations
}

TEST(CounterRng, NormalHasMeanZeroAndVarianceOne) {
  CounterRng rng(11, 5);
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = rng.normal();
    sum += value, squares += value * value, fourth += std::pow(value, 4);
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.012);
  EXPECT_NEAR(squares / kDraws, 1, 0.016);
  EXPECT_NEAR(fourth / kDraws, 3, 0.12);
}

TEST(CounterRng, BelowIsUnbiasedWhereTheRemainderWouldNotBe) {
  // Of 2^64 values, 3·2^62 remainders hit the first 2^62 twice: without rejection that quarter would have share 1/2.
  constexpr uint64_t kBound = uint64_t{3} << 62;
  CounterRng rng(3, 1);
  int in_first_third = 0;
  for (int i = 0; i < 30000; ++i) {
    const uint64_t value = rng.below(kBound);
    ASSERT_LT(value, kBound);
    in_first_third += value < kBound / 3;
  }
  EXPECT_NEAR(in_first_third, 10000, 5 * std::sqrt(6667.0));
  EXPECT_EQ(CounterRng(1, 1).below(1), 0u);
}

TEST(Permutation, IsAPermutationThatDependsOnSeedAndStream) {
  const auto make = [](uint64_t seed, uint64_t stream) {
    std::vector<int64_t> order(101);
    permutation(seed, stream, order);
    return order;
  };
  std::vector<int64_t> sorted = make(1, 1), identity(101);
  std::iota(identity.begin(), identity.end(), int64_t{0});
  EXPECT_NE(sorted, identity);
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, identity);
  EXPECT_EQ(make(1, 1), make(1, 1));
  EXPECT_NE(make(1, 1), make(1, 2));
  EXPECT_NE(make(1, 1), make(2, 1));
  permutation(1, 1, {});
}

TEST(Permutation, EveryOrderOfThreeIsEquallyLikely) {
  std::array<int, 27> counts{};
  for (uint64_t stream = 0; stream < 6000; ++stream) {
    std::array<int64_t, 3> order{};
    permutation(9, stream, order);
    ++counts[static_cast<size_t>(order[0] * 9 + order[1] * 3 + order[2])];
  }
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 0), 21);
  for (const int count : counts) EXPECT_TRUE(count == 0 || std::abs(count - 1000) < 150) << count;
}

TEST(FillNormal, PartsEqualTheWhole) {
  std::vector<float> whole(103), parts(103);
  fill_normal(whole, 0.02, 5, 6);
  for (const auto& [begin, end] : {std::pair<size_t, size_t>{0, 1}, {1, 7}, {7, 64}, {64, 64}, {64, 103}}) {
    fill_normal(std::span(parts).subspan(begin, end - begin), 0.02, 5, 6, begin);
  }
  EXPECT_EQ(whole, parts);
}

TEST(FillNormal, HasTheDeviationAskedFor) {
  std::vector<float> values(200001);
  fill_normal(values, 0.02, 1, stream_id("layers.3.w_in"));
  double sum = 0, squares = 0;
  for (const float value : values) sum += value, squares += double{value} * value;
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0, 0.02 * 0.012);
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 0.02 * 0.008);
}

TEST(StreamId, IsFnv1a) {
  EXPECT_EQ(stream_id(""), 0xcbf29ce484222325u);
  EXPECT_EQ(stream_id("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(stream_id("foobar"), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace bt
