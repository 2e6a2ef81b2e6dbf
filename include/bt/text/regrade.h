// Grading of completions that lie in a file, without a model.
#pragma once

#include <string>
#include <string_view>

#include "bt/core/json.h"
#include "bt/text/tasks.h"

namespace bt {

// {"strict-match": {"extracted": "29", "score": 1}, ...}; "undecided": true where equality needs computer algebra.
Json graded_json(const std::vector<FilterGrade>& grades);

struct RegradeSummary {
  struct Filter {
    std::string name;
    int64_t right = 0, undecided = 0;
  };
  int64_t completions = 0;
  std::vector<Filter> filters;
};

// Reads JSON Lines {"completion": "...", "gold": ...} (`gold`: the data set's own answer field) and writes the same
// objects in the same order with "graded" added. ExitCode::bad_file with file and line for a line that cannot be
// graded; then no output is written.
RegradeSummary regrade_file(const Task& task, const std::string& input, const std::string& output);

// A line per filter: share of right answers with its 95 % Wilson interval, and how many are undecided.
std::string regrade_text(const Task& task, const RegradeSummary& summary);

}  // namespace bt
