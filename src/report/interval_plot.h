// Values with their intervals, one below the other.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/statistics.h"
#include "markup.h"

namespace bt::report {

struct IntervalRow {
  std::string label, note;      // above the row, at its left and right end
  size_t series = 0;            // colour
  std::optional<double> value;  // a dot, or with `dots` a bar
  std::optional<Interval> interval;
  std::vector<double> dots;  // single observations; those not finite are left out
};

struct IntervalPlot {
  std::string caption, x_label;
  std::vector<IntervalRow> rows;
  bool shows_zero = false;  // a line at 0, for differences
};

Markup interval_plot(const IntervalPlot& plot);  // nothing where no row has a finite number

}  // namespace bt::report
