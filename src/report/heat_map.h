// Figures of every layer over training steps.
#pragma once

#include <string>
#include <vector>

#include "markup.h"

namespace bt::report {

struct HeatMap {
  std::string caption;
  std::vector<double> steps;                // of every column of figures, ascending
  std::vector<std::vector<double>> values;  // by column, then layer; columns may differ in length
  double low = 0, high = 1;                 // of the colour scale, finite
};

// Neighbouring columns are drawn as their mean where there are more than fit, and layers too. Layer 0 is at the top. A
// cell without a finite figure stays empty.
Markup heat_map(const HeatMap& map);

}  // namespace bt::report
