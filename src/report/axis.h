// The scale of a chart's axis, with round ticks.
#pragma once

#include <string>
#include <vector>

namespace bt::report {

struct Tick {
  double value = 0;
  std::string label;
};

struct Axis {
  double low = 0, high = 1;  // low < high; above 0 where logarithmic
  bool is_logarithmic = false;
  std::vector<Tick> ticks;

  double share(double value) const;  // where in [low, high] a finite value lies: 0 to 1, clamped
};

// About `count` ticks at multiples of 1, 2 or 5 times a power of ten, around any two finite numbers, equal ones too.
// `is_rounded`: low and high are moved outward to ticks.
Axis linear_axis(double low, double high, int count, bool is_rounded = true);
Axis logarithmic_axis(double low, double high);  // ticks at powers of ten; 0 < low <= high

}  // namespace bt::report
