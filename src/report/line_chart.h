// Curves over training steps.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "markup.h"

namespace bt::report {

struct Line {
  std::string name;
  size_t series = 0;         // colour and dashes
  std::vector<double> x, y;  // of equal length, x finite; a y that is not finite leaves a gap
};

struct LineChart {
  std::string caption, x_label;
  std::vector<Line> lines;
  bool may_be_logarithmic = false;  // where all values are positive and span two powers of ten
};

// The places of at most about `most` values with the same outline: all of them, or of equal stretches the least and the
// greatest and what is not finite.
std::vector<size_t> outline(const std::vector<double>& values, size_t most);

Markup line_chart(const LineChart& chart);  // nothing where no value is finite

}  // namespace bt::report
