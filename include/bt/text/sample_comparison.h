// Two evaluations of the same documents, compared item by item.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/core/statistics.h"

namespace bt {

struct ComparisonOptions {
  std::string task;  // empty: every task that both sides have
  int64_t resamples = 10'000;
  uint64_t seed = 0;
  double confidence = 0.95;
};

// One filter of one task. `difference` is B - A.
struct SampleComparison {
  std::string task, filter;
  PairedDifference difference;
  Interval accuracy_a, accuracy_b;  // Wilson
  Interval bootstrap;
  McNemar mcnemar;
  double holm_p_value = 1;                          // McNemar's, corrected for all comparisons of this call
  std::optional<double> minimum_detectable_effect;  // at 5 % size and 80 % power; none without any spread
};

// `a` and `b` are each a folder with samples_<task>_<date>.jsonl (the newest of a task counts), such a file, or the
// output of regrade_file. Items are paired by doc_id, or by position where there is none. ExitCode::bad_file when the
// two sides do not hold the same documents, or nothing to compare.
std::vector<SampleComparison> compare_samples(const std::string& a, const std::string& b,
                                              const ComparisonOptions& options);

std::string comparison_text(const std::vector<SampleComparison>& comparisons, const ComparisonOptions& options);
Json comparison_json(const std::vector<SampleComparison>& comparisons, const ComparisonOptions& options);

}  // namespace bt
