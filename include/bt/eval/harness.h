// Runs an evaluation task: documents become prompts, the model answers greedily, graders score the answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/statistics.h"
#include "bt/eval/generation.h"
#include "bt/eval/inference_model.h"
#include "bt/text/tasks.h"

namespace bt {

struct HarnessOptions {
  std::string data;                       // folder of the tasks' data files
  std::optional<int64_t> limit;           // first documents only
  int64_t batch_size = 16;                // sequences decoded at once
  int64_t seed = 0;                       // of what a method draws at random
  std::optional<int64_t> max_new_tokens;  // absent: the task's own
  std::string prompt_template;            // of *_sft tasks; empty: that of the model's training, else the task's own
};

struct Sample {
  Prompt prompt;
  int64_t prompt_tokens = 0;
  bool prompt_cut = false;  // the front was left out to make room for an answer
  Completion completion;
  std::vector<FilterGrade> grades;  // one a filter
};

struct FilterScore {
  std::string name;
  int64_t right = 0, undecided = 0, answers = 0;
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(answers); }
  double standard_error() const;  // sample deviation / sqrt(n), as the harness gives it
  Interval interval() const;      // Wilson, 95 %
};

struct TaskResult {
  const Task* task = nullptr;
  std::string prompt_template;  // empty: the task's own prompt
  int64_t documents = 0;        // of the task, before the limit
  int64_t max_new_tokens = 0;
  std::vector<Sample> samples;  // in the documents' order
  double seconds = 0;           // of generation

  std::vector<FilterScore> scores() const;
  int64_t generated_tokens() const;
  int64_t truncated_answers() const;  // ended by their length
  int64_t cut_prompts() const;
  double tokens_per_s() const;
  double calls_per_answer() const;    // of the method, on the prompt and after it
  double share_without_call() const;  // of answers in which the method never acted after the prompt
};

// Prompts longer than the model's context keep their end, as in lm-evaluation-harness; answers end there too. Shows
// progress on standard error. ExitCode::bad_file for the data; ExitCode::usage for a template that does not fit it.
TaskResult evaluate_task(const InferenceModel& model, const Task& task, const HarnessOptions& options);

}  // namespace bt
