// Numbers as the page prints them.
#pragma once

#include <cstdint>
#include <string>

#include "bt/core/statistics.h"

namespace bt::report {

std::string grouped(int64_t value);                              // "29,425"
std::string significant(double value, int digits = 4);           // "0.3065", "17,648", "8.04e+11"; "not finite"
std::string percent(double share);                               // "46.8"
std::string points(double difference);                           // "+1.20", in percentage points
std::string points(const Interval& interval);                    // "[-0.31, +2.71]"
std::string percent_with(double share, const Interval& around);  // "46.8 [45.4, 48.2]"
std::string p_text(double p);                                    // "0.012", "below 0.0001"

// What an interval of a difference carries: "above 0", "below 0", or "0 lies in the interval".
std::string finding(const Interval& interval);

}  // namespace bt::report
