#include "figures.h"

#include <cmath>
#include <cstdio>

#include "bt/core/strings.h"

namespace bt::report {
namespace {

constexpr const char* kNotFinite = "not finite";

std::string printed(const char* format, int digits, double value) {
  if (!std::isfinite(value)) return kNotFinite;
  char out[64];
  std::snprintf(out, sizeof out, format, digits, value);
  return out;
}

// In one form whatever the size: "%f" of 1e300 has 301 digits.
std::string in_hundredths(double share, const char* format, int digits) {
  return std::abs(share) < 1e6 ? printed(format, digits, 100 * share) : significant(100 * share);
}

}  // namespace

std::string grouped(int64_t value) {
  std::string out = std::to_string(value);
  const int64_t first = value < 0 ? 1 : 0;
  for (int64_t at = static_cast<int64_t>(out.size()) - 3; at > first; at -= 3) {
    out.insert(static_cast<size_t>(at), ",");
  }
  return out;
}

std::string significant(double value, int digits) {
  const double size = std::abs(value);
  const bool is_whole = size >= std::pow(10, digits) && size < 1e9;  // where %g would begin to write exponents
  return is_whole ? grouped(std::llround(value)) : printed("%.*g", digits, value);
}

std::string percent(double share) { return in_hundredths(share, "%.*f", 1); }

std::string points(double difference) { return in_hundredths(difference, "%+.*f", 2); }

std::string points(const Interval& interval) {
  return str("[", points(interval.low), ", ", points(interval.high), "]");
}

std::string percent_with(double share, const Interval& around) {
  return str(percent(share), " [", percent(around.low), ", ", percent(around.high), "]");
}

std::string p_text(double p) { return p < 1e-4 ? "below 0.0001" : significant(p, 2); }

std::string finding(const Interval& interval) {
  if (interval.low > 0) return "above 0";
  return interval.high < 0 ? "below 0" : "0 lies in the interval";
}

}  // namespace bt::report
