// An evaluation of bt-eval run: results_*.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run_folder.h"

namespace bt::report {

struct TaskScore {
  std::string task, filter;
  int64_t right = 0, answers = 0, undecided = 0;
};

struct TaskCost {
  std::string task;
  int64_t answers = 0, truncated = 0;
  double calls_per_answer = 0, share_without_call = 0;  // NaN without a method
  double tokens_per_s = 0;
};

struct EvaluationRun {
  std::string name, folder;
  std::vector<Provenance> provenance;  // of every results file that counts
  std::vector<TaskScore> scores;
  std::vector<TaskCost> costs;
};

// Of a task that several files hold the newest counts. ExitCode::bad_file for what is malformed or too large.
EvaluationRun read_evaluation_run(const RunFolder& folder);

}  // namespace bt::report
