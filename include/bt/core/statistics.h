// Statistics of paired evaluation results: intervals, tests and what a comparison of this size can see at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bt {

struct Interval {
  double low = 0, high = 0;
};

// Standard normal distribution function and its inverse; `p` in (0, 1), relative error below 1e-9.
double normal_cdf(double z);
double normal_quantile(double p);

// Wilson score interval (Wilson 1927) of the proportion successes / trials; trials > 0.
Interval wilson_interval(int64_t successes, int64_t trials, double confidence = 0.95);

struct MeanEstimate {
  double mean = 0;
  double standard_error = 0;  // sample deviation / sqrt(n); 0 for one value
};
MeanEstimate estimate_mean(std::span<const double> values);  // values not empty

// The mean of b - a over the same items, with a normal interval from the differences' own deviation.
struct PairedDifference {
  int64_t items = 0;
  double mean_a = 0, mean_b = 0;
  double difference = 0;  // mean_b - mean_a
  double standard_error = 0;
  Interval interval;
};
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b, double confidence = 0.95);

// McNemar's exact test: two-sided binomial test on the items that only one side gets right.
struct McNemar {
  int64_t only_a = 0, only_b = 0;
  double p_value = 1;
};
McNemar exact_mcnemar(int64_t only_a, int64_t only_b);
McNemar exact_mcnemar(std::span<const double> a, std::span<const double> b);  // an item is right when its score > 0.5

// Percentile interval of mean(b - a) by resampling items (Efron 1979). The same seed gives the same interval.
Interval paired_bootstrap(std::span<const double> a, std::span<const double> b, int64_t resamples, uint64_t seed,
                          double confidence = 0.95);

// The smallest true difference that a two-sided paired test of size `alpha` finds with probability `power`, given the
// standard error of the difference (Miller 2024, arXiv 2411.00640). Nothing for an error of 0: differences
// without any spread do not tell how much more items would vary.
std::optional<double> minimum_detectable_effect(double standard_error, double alpha = 0.05, double power = 0.8);

// Holm's step-down correction (Holm 1979): adjusted p values in the order given.
std::vector<double> holm_adjust(std::span<const double> p_values);

}  // namespace bt
