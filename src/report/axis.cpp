#include "axis.h"

#include <algorithm>
#include <cmath>

#include "figures.h"

namespace bt::report {
namespace {

constexpr double kLargest = 1e300;  // so that differences stay finite

// The least of 1, 2, 5, 10 times a power of ten that is not below `step`.
double round_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (step <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

// Apart by more than doubles of their size can blur.
void spread(double& low, double& high) {
  low = std::clamp(low, -kLargest, kLargest);
  high = std::clamp(high, -kLargest, kLargest);
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low > 1e-9 * size && high - low > 1e-290) return;
  if (low == 0 && high == 0) {  // shares and losses are never below
    high = 1;
    return;
  }
  const double half = size > 1e-280 ? 0.05 * size : 0.5;
  low -= half;
  high += half;
}

std::string label(double value, double step, double size) {
  if (value == 0) return "0";
  const int digits =
      1 + std::max(0, static_cast<int>(std::floor(std::log10(size) + 1e-9) - std::floor(std::log10(step) + 1e-9)));
  const bool is_whole = step >= 1 && size < 1e9;
  return is_whole ? grouped(std::llround(value)) : significant(value, std::min(digits, 12));
}

}  // namespace

double Axis::share(double value) const {
  const double at =
      is_logarithmic ? std::log(std::max(value, low) / low) / std::log(high / low) : (value - low) / (high - low);
  return std::clamp(at, 0.0, 1.0);
}

Axis linear_axis(double low, double high, int count, bool is_rounded) {
  spread(low, high);
  const double step = round_step((high - low) / count);
  if (is_rounded) {
    low = std::floor(low / step + 1e-9) * step;
    high = std::ceil(high / step - 1e-9) * step;
  }
  Axis axis{low, high, false, {}};
  const double size = std::max(std::abs(low), std::abs(high));
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    axis.ticks.push_back({i * step, label(i * step, step, size)});
  }
  return axis;
}

Axis logarithmic_axis(double low, double high) {
  const double first = std::floor(std::log10(std::max(low, 1 / kLargest)) + 1e-9);
  const double last = std::max(first + 1, std::ceil(std::log10(std::min(high, kLargest)) - 1e-9));
  Axis axis{std::pow(10, first), std::pow(10, last), true, {}};
  const double every = std::ceil((last - first) / 8);
  for (double power = first; power <= last; power += every) {
    axis.ticks.push_back({std::pow(10, power), significant(std::pow(10, power))});
  }
  return axis;
}

}  // namespace bt::report
