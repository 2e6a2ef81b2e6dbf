// What an evaluation leaves behind: results_<time>.json, samples_<task>_<time>.jsonl and a table.
#pragma once

#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/eval/harness.h"

namespace bt {

// The circumstances of an evaluation.
struct EvaluationRun {
  const InferenceModel* model = nullptr;
  HarnessOptions options;
  std::string started;       // local time, "2026-01-31T10-00-00.123456": part of the files' names
  double start_time = 0;     // Unix, seconds
  double total_seconds = 0;  // loading included
};

std::string file_time(double unix_seconds);

// Keys of lm-evaluation-harness 0.4; ours, which it lacks, under "bt".
Json results_json(const EvaluationRun& run, const std::vector<TaskResult>& results);
// One line per document and filter, which `bt-eval compare` reads.
std::string samples_jsonl(const TaskResult& result);
// Make the folder if it is missing. Return the path of the file. ExitCode::io.
std::string write_samples(const std::string& folder, const EvaluationRun& run, const TaskResult& result);
std::string write_results(const std::string& folder, const EvaluationRun& run, const std::vector<TaskResult>& results);

// For people: accuracy with its interval, calls, truncated answers, speed and grader of a task.
std::string task_table(const InferenceModel& model, const TaskResult& result);
// The line below the tasks: model, method, dtype, batch size and device.
std::string circumstances(const EvaluationRun& run);

}  // namespace bt
