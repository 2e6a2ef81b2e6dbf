#include "bt/runtime/sampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "bt/core/error.h"
#include "bt/core/json.h"

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

// One case of make_sampling_fixtures.py.
struct Case {
  at::Tensor logits_V;
  SamplingOptions options;
  std::unordered_set<int32_t> seen;
  std::map<int32_t, double> kept;
  bool tied = false;
  std::string name;
};

std::vector<Case> transformers_cases() {
  const Json file = Json::parse_file(BT_SOURCE_DIR "/tests/runtime/fixtures/sampling.json");
  std::vector<Case> cases;
  for (const Json& json : file.at("cases", "").as_array("")) {
    const auto number = [&](const char* key) { return json.at(key, key).as_double(key); };
    Case one;
    std::vector<double> logits;
    const std::string& row = json.at("row", "row").as_string("row");
    for (const Json& x : file.at("rows", "").at(row, row).as_array(row))
      logits.push_back(x.is_null() ? -std::numeric_limits<double>::infinity() : x.as_double(row));
    one.logits_V = at::tensor(logits, at::kDouble);
    one.options = {.repetition_penalty = number("penalty"),
                   .temperature = number("temperature"),
                   .top_k = json.at("top_k", "").as_int(""),
                   .top_p = number("top_p"),
                   .min_p = number("min_p")};
    for (const Json& id : json.at("seen", "").as_array("")) one.seen.insert(static_cast<int32_t>(id.as_int("")));
    for (const Json& pair : json.at("kept", "").as_array(""))
      one.kept[static_cast<int32_t>(pair.as_array("")[0].as_int(""))] = pair.as_array("")[1].as_double("");
    one.tied = json.at("tied", "").as_bool("");
    one.name = json.dump();
    cases.push_back(std::move(one));
  }
  return cases;
}

TEST(Sampling, KeepsWhatTransformersKeepsAndAsLikely) {
  const std::vector<Case> cases = transformers_cases();
  ASSERT_GT(cases.size(), 500u);
  for (const Case& one : cases) {
    const auto found = candidates(one.logits_V, one.options, {0, 0, &one.seen});
    ASSERT_EQ(found.size(), one.kept.size()) << one.name;
    auto wanted = one.kept.begin();
    for (size_t i = 0; i < found.size(); ++i, ++wanted) {
      if (one.tied) continue;  // any of the equal ones
      EXPECT_EQ(found[i].id, wanted->first) << one.name;
      EXPECT_NEAR(found[i].probability, wanted->second, 1e-6) << one.name;
    }
  }
}

TEST(Sampling, TopPPrefersTheLowerAmongEqualTokens) {
  const auto kept = candidates(at::zeros({1000}), {.temperature = 1, .top_p = 0.0035}, {});
  ASSERT_EQ(kept.size(), 4u);
  for (int32_t i = 0; i < 4; ++i) EXPECT_EQ(kept[static_cast<size_t>(i)].id, i);
}

TEST(Sampling, PartialSelectionKeepsWhatAFullSortKeeps) {
  at::manual_seed(3);
  const at::Tensor logits_V = at::randn({5000}, at::kDouble) * 4;
  const std::vector<double> p = [&] {
    const at::Tensor x = (logits_V / 1.4).softmax(0);
    return std::vector<double>(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  }();
  std::vector<int32_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return p[size_t(a)] > p[size_t(b)]; });
  for (const int64_t k : {1, 7, 64, 900, 4999}) {
    const auto kept = candidates(logits_V, {.temperature = 1.4, .top_k = k}, {});
    ASSERT_EQ(kept.size(), static_cast<size_t>(k));
    for (const Candidate& c : kept) EXPECT_GE(p[size_t(c.id)], p[size_t(order[size_t(k - 1)])]);
  }
  for (const double share : {0.01, 0.5, 0.99, 0.99999}) {
    size_t needed = 0;
    for (double held = 0; held < share; ++needed) held += p[size_t(order[needed])];
    EXPECT_EQ(candidates(logits_V, {.temperature = 1.4, .top_p = share}, {}).size(), needed);
  }
}

TEST(Sampling, APenaltyMovesGreedyTooAndLeavesTheLogitsAlone) {
  const at::Tensor logits = at::tensor({3.0, 2.9, -1.0}).view({1, 3});
  const std::unordered_set<int32_t> seen = {0, 2};
  EXPECT_EQ(sample(logits, {.repetition_penalty = 1.5}, {{0, 0, &seen}})[0], 1);
  EXPECT_EQ(logits[0][0].item<float>(), 3.0F);
  const std::unordered_set<int32_t> negative = {0};
  const at::Tensor below = at::tensor({-1.0, -1.2}).view({1, 2});
  EXPECT_EQ(sample(below, {.repetition_penalty = 1.5}, {{0, 0, &negative}})[0], 1);
}

TEST(Sampling, LogitsThatAreNotFiniteAreRefused) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {inf, nan}) {
    for (const double temperature : {0.0, 1.0}) {
      try {
        sample(at::tensor({0.0, bad, 1.0}).view({1, 3}), {.temperature = temperature}, {{0, 0}});
        ADD_FAILURE() << bad << " was drawn from";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::numerical);
      }
    }
  }
  EXPECT_THROW(sample(at::full({1, 3}, -inf), {.temperature = 1}, {{0, 0}}), Error);
}

}  // namespace
}  // namespace bt
