// A study: arms by seeds, and contrasts between them (study.json).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/core/statistics.h"

namespace bt::report {

// An arm on one task. Lists hold a figure per seed, NaN where it is missing.
struct StudyRow {
  std::string arm, weights, split, task, filter;
  std::vector<double> accuracy, validation_loss, train_loss, flops, training_s, steps;
  double trained_parameters = 0, inference_parameters = 0;  // NaN where unknown
  std::vector<int64_t> failed;                              // seeds
};

// `difference`, of `a` less `b`, with its interval; NaN where missing.
struct StudyContrast {
  std::string a, b, outcome, split;  // a and b: an arm, or "arm/weights"; outcome: "task, filter"
  double difference = 0, p = 0, p_holm = 0;
  std::optional<Interval> interval;
  bool is_primary = false;
  std::vector<double> per_seed;
};

struct Study {
  std::string folder;
  std::vector<int64_t> seeds, unfinished_seeds;
  std::string protocol;  // indented JSON; may be empty
  std::vector<StudyRow> rows;
  std::vector<StudyContrast> contrasts;
};

std::string named(const std::vector<std::string>& parts);  // "a, b" of those that are not empty

// ExitCode::bad_file naming the row and key for what is malformed or too large.
Study read_study(const std::string& folder);
Study parse_study(const Json& json, const std::string& source);  // without folder

}  // namespace bt::report
