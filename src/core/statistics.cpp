#include "bt/core/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "bt/core/error.h"
#include "bt/core/random.h"

namespace bt {
namespace {

std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  BT_ASSERT(a.size() == b.size() && !a.empty());
  std::vector<double> out(a.size());
  std::transform(b.begin(), b.end(), a.begin(), out.begin(), std::minus<>());
  return out;
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double two_sided_z(double confidence) { return normal_quantile(0.5 + confidence / 2); }

// Linear interpolation between order statistics (numpy's default).
double percentile(std::span<const double> sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double log_choose(int64_t n, int64_t k) {
  const auto log_factorial = [](int64_t m) { return std::lgamma(static_cast<double>(m) + 1); };
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

}  // namespace

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

double normal_quantile(double p) {
  BT_ASSERT(p > 0 && p < 1);
  if (p > 0.5) return -normal_quantile(1 - p);
  double low = -40, high = 0;  // normal_cdf(-40) underflows
  for (int i = 0; i < 100 && low < high; ++i) {
    const double middle = (low + high) / 2;
    (normal_cdf(middle) < p ? low : high) = middle;
  }
  return high;
}

Interval wilson_interval(int64_t successes, int64_t trials, double confidence) {
  BT_ASSERT(trials > 0 && successes >= 0 && successes <= trials);
  const double n = static_cast<double>(trials), p = static_cast<double>(successes) / n;
  const double z = two_sided_z(confidence), z2 = z * z;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {successes == 0 ? 0 : centre - half, successes == trials ? 1 : centre + half};  // the ends are exact
}

MeanEstimate estimate_mean(std::span<const double> values) {
  BT_ASSERT(!values.empty());
  const double mean = mean_of(values), n = static_cast<double>(values.size());
  if (values.size() == 1) return {mean, 0};
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

PairedDifference paired_difference(std::span<const double> a, std::span<const double> b, double confidence) {
  const std::vector<double> d = differences(a, b);
  const MeanEstimate estimate = estimate_mean(d);
  const double half = two_sided_z(confidence) * estimate.standard_error;
  return {static_cast<int64_t>(d.size()),
          mean_of(a),
          mean_of(b),
          estimate.mean,
          estimate.standard_error,
          {estimate.mean - half, estimate.mean + half}};
}

McNemar exact_mcnemar(int64_t only_a, int64_t only_b) {
  BT_ASSERT(only_a >= 0 && only_b >= 0);
  const int64_t n = only_a + only_b, fewer = std::min(only_a, only_b);
  double tail = 0;
  for (int64_t k = 0; k <= fewer; ++k) tail += std::exp(log_choose(n, k) - static_cast<double>(n) * std::log(2.0));
  return {only_a, only_b, std::min(1.0, 2 * tail)};
}

McNemar exact_mcnemar(std::span<const double> a, std::span<const double> b) {
  BT_ASSERT(a.size() == b.size());
  int64_t only_a = 0, only_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    only_a += a[i] > 0.5 && b[i] <= 0.5;
    only_b += b[i] > 0.5 && a[i] <= 0.5;
  }
  return exact_mcnemar(only_a, only_b);
}

Interval paired_bootstrap(std::span<const double> a, std::span<const double> b, int64_t resamples, uint64_t seed,
                          double confidence) {
  BT_ASSERT(resamples > 0);
  const std::vector<double> d = differences(a, b);
  std::vector<double> means(static_cast<size_t>(resamples));
  for (size_t r = 0; r < means.size(); ++r) {
    CounterRng rng(seed, stream_id("paired_bootstrap"), r);
    double sum = 0;
    for (size_t i = 0; i < d.size(); ++i) sum += d[rng.below(d.size())];
    means[r] = sum / static_cast<double>(d.size());
  }
  std::sort(means.begin(), means.end());
  return {percentile(means, (1 - confidence) / 2), percentile(means, (1 + confidence) / 2)};
}

std::optional<double> minimum_detectable_effect(double standard_error, double alpha, double power) {
  if (standard_error == 0) return std::nullopt;
  return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * standard_error;
}

std::vector<double> holm_adjust(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(order.size() - rank) * p_values[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace bt
