#include "bt/runtime/sampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

namespace bt {
namespace {

// Probabilities 0.4, 0.1, 0.3, 0.2 at temperature 1.
at::Tensor some_logits(int64_t rows) { return at::tensor({0.4, 0.1, 0.3, 0.2}).log().expand({rows, 4}); }

std::map<int32_t, double> shares(const SamplingOptions& options) {
  constexpr int64_t draws = 4000;
  std::vector<DrawKey> keys;
  for (uint64_t n = 0; n < draws; ++n) keys.push_back({n / 50, n % 50});
  std::map<int32_t, double> out;
  for (const int32_t id : sample(some_logits(draws), options, keys)) out[id] += 1.0 / draws;
  return out;
}

TEST(Sampling, GreedyTakesTheLowestOfTheBest) {
  const at::Tensor logits = at::tensor({0.0, 2.0, 2.0, 3.0, 1.0, 3.0}).view({2, 3});
  EXPECT_EQ(sample(logits, {}, {{0, 0}, {0, 1}}), (std::vector<int32_t>{1, 0}));
}

TEST(Sampling, DrawsFollowTheProbabilities) {
  const auto found = shares({.temperature = 1});
  EXPECT_NEAR(found.at(0), 0.4, 0.03);
  EXPECT_NEAR(found.at(1), 0.1, 0.03);
  EXPECT_NEAR(found.at(2), 0.3, 0.03);
  EXPECT_NEAR(found.at(3), 0.2, 0.03);
}

TEST(Sampling, TemperatureSharpens) {
  const auto found = shares({.temperature = 0.5});  // 16 : 1 : 9 : 4
  EXPECT_NEAR(found.at(0), 16.0 / 30, 0.03);
  EXPECT_NEAR(found.at(2), 9.0 / 30, 0.03);
}

TEST(Sampling, TopKKeepsTheBestAndTopPTheSmallestSet) {
  const auto two = shares({.temperature = 1, .top_k = 2});
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(two.at(0), 4.0 / 7, 0.03);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.65}).size(), 2u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.75}).size(), 3u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.0}).size(), 1u);
  const auto both = shares({.temperature = 1, .top_k = 3, .top_p = 0.5});  // 4/9 of the three kept is not half
  EXPECT_EQ(both.size(), 2u);
}

TEST(Sampling, ADrawDependsOnItsKeyAlone) {
  const SamplingOptions options{.temperature = 1.2, .seed = 3};
  std::vector<DrawKey> keys;
  for (uint64_t n = 0; n < 37; ++n) keys.push_back({n % 5, n});
  const std::vector<int32_t> together = sample(some_logits(37), options, keys);
  for (size_t n = 0; n < keys.size(); ++n) EXPECT_EQ(sample(some_logits(1), options, {keys[n]})[0], together[n]);
  EXPECT_NE(sample(some_logits(37), {.temperature = 1.2, .seed = 4}, keys), together);
}

}  // namespace
}  // namespace bt
