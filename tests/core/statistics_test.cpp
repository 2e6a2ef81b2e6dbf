#include "bt/core/statistics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "bt/core/random.h"

namespace bt {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// Reference values: SciPy's norm.ppf, binomtest(...).pvalue and .proportion_ci(method="wilson").

TEST(NormalQuantile, EqualsReference) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.2), -0.8416212335729142, 1e-12);
  EXPECT_NEAR(normal_quantile(1e-12), -7.034483825301131, 1e-11);
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-15);
}

TEST(WilsonInterval, EqualsReferenceAndStaysInRange) {
  const Interval gsm8k = wilson_interval(923, 1319);
  EXPECT_NEAR(gsm8k.low, 0.6744855642333556, 1e-12);
  EXPECT_NEAR(gsm8k.high, 0.7238992886800217, 1e-12);
  const Interval none = wilson_interval(0, 10), all = wilson_interval(10, 10);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.27753279986288926, 1e-12);
  EXPECT_NEAR(all.low, 0.7224672001371109, 1e-12);
  EXPECT_EQ(all.high, 1);
}

TEST(EstimateMean, UsesTheSampleDeviation) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(estimate_mean(values).mean, 2.5);
  EXPECT_NEAR(estimate_mean(values).standard_error, std::sqrt(5.0 / 3 / 4), 1e-15);
  EXPECT_EQ(estimate_mean(std::vector<double>{7}).standard_error, 0);
}

TEST(PairedDifference, IsBMinusAWithItsOwnDeviation) {
  const std::vector<double> a = {1, 0, 0, 1}, b = {1, 1, 0, 1};
  const PairedDifference d = paired_difference(a, b);
  EXPECT_EQ(d.items, 4);
  EXPECT_DOUBLE_EQ(d.mean_a, 0.5);
  EXPECT_DOUBLE_EQ(d.mean_b, 0.75);
  EXPECT_DOUBLE_EQ(d.difference, 0.25);
  EXPECT_NEAR(d.standard_error, 0.25, 1e-15);  // deviations of {0, 1, 0, 0}: sqrt(0.25 / 4)
  EXPECT_NEAR(d.interval.high, 0.25 + 1.959963984540054 * 0.25, 1e-12);
}

TEST(PairedDifference, PairingShrinksTheErrorOfEqualRuns) {
  const std::vector<double> a = {1, 0, 1, 0, 1};
  EXPECT_EQ(paired_difference(a, a).standard_error, 0);
  EXPECT_GT(estimate_mean(a).standard_error, 0);
}

TEST(ExactMcNemar, EqualsBinomialTest) {
  EXPECT_NEAR(exact_mcnemar(5, 15).p_value, 0.04138946533203125, 1e-13);
  EXPECT_NEAR(exact_mcnemar(0, 6).p_value, 0.03125, 1e-14);
  EXPECT_NEAR(exact_mcnemar(400, 460).p_value, 0.04416954819458901, 1e-11);
  EXPECT_EQ(exact_mcnemar(3, 3).p_value, 1);
  EXPECT_EQ(exact_mcnemar(0, 0).p_value, 1);
}

TEST(ExactMcNemar, CountsDiscordantItems) {
  const std::vector<double> a = {1, 1, 0, 0, 1}, b = {1, 0, 1, 0, 0};
  const McNemar test = exact_mcnemar(a, b);
  EXPECT_EQ(test.only_a, 2);
  EXPECT_EQ(test.only_b, 1);
}

TEST(PairedBootstrap, RepeatsWithItsSeedAndNearsTheNormalInterval) {
  std::vector<double> a(400), b(400);
  CounterRng rng(3, 1);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = rng.uniform() < 0.5;
    b[i] = rng.uniform() < 0.6;
  }
  const Interval first = paired_bootstrap(a, b, 2000, 7), again = paired_bootstrap(a, b, 2000, 7);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, paired_bootstrap(a, b, 2000, 8).low);
  const PairedDifference d = paired_difference(a, b);
  EXPECT_NEAR(first.low, d.interval.low, 0.1 * (d.interval.high - d.interval.low));
  EXPECT_NEAR(first.high, d.interval.high, 0.1 * (d.interval.high - d.interval.low));
}

TEST(MinimumDetectableEffect, IsTheSumOfBothQuantiles) {
  EXPECT_NEAR(minimum_detectable_effect(0.01).value(), 0.01 * (1.959963984540054 + 0.8416212335729143), 1e-12);
  EXPECT_NEAR(minimum_detectable_effect(0.01, 0.05, 0.5).value(), 0.01 * 1.959963984540054, 1e-12);
  EXPECT_FALSE(minimum_detectable_effect(0).has_value());
}

TEST(HolmAdjust, StepsDownAndStaysMonotone) {
  EXPECT_THAT(
      holm_adjust(std::vector<double>{0.01, 0.04, 0.03, 0.005}),
      ElementsAre(DoubleNear(0.03, 1e-15), DoubleNear(0.06, 1e-15), DoubleNear(0.06, 1e-15), DoubleNear(0.02, 1e-15)));
  EXPECT_THAT(holm_adjust(std::vector<double>{0.9, 0.8}), ElementsAre(1, 1));
  EXPECT_TRUE(holm_adjust({}).empty());
}

TEST(Statistics, RefuseUnequalAndEmptyInput) {
  const std::vector<double> one = {1}, two = {1, 0};
  EXPECT_ANY_THROW(paired_difference(one, two));
  EXPECT_ANY_THROW(paired_difference({}, {}));
  EXPECT_ANY_THROW(wilson_interval(0, 0));
}

}  // namespace
}  // namespace bt
