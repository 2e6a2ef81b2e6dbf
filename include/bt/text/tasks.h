// Evaluation tasks: where their documents lie, how a document becomes a prompt, and how a completion is graded. Nothing
// here needs a model; names, prompts and graders follow lm-evaluation-harness 0.4.13 where it has the task.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt {

// What one filter of a task makes of a completion.
struct FilterGrade {
  std::string filter;      // "strict-match"
  std::string extracted;   // the answer found, "[invalid]" without one
  int score = 0;           // 0 or 1
  bool undecided = false;  // equality needs computer algebra; `score` is then only the comparison as text
};

struct Task {
  std::string name;
  std::string prompt_form;  // one line for people
  std::string grader;       // one line for people: rules and their version
  double version = 1;       // the harness's of this task; of a task it does not have, ours
  std::string data_file;    // below the data folder
  std::string only_type;    // MATH's subtasks: documents of this `type` alone
  std::string gold_field;   // the document's own answer field
  int64_t shots = 0;
  int64_t max_new_tokens = 256;  // the harness's default, for which its tasks are published
  std::vector<std::string> stop;
  std::string default_template;  // not empty: the prompt is the training run's own template, this one if none is given

  // All documents of the data file, in its order.
  std::function<std::vector<Json>(const std::string& path)> read;
  // The last part of the prompt, which asks the question. Empty where default_template is set.
  std::function<std::string(const Json& document)> question;
  // What precedes it, one element a document: all the same, or drawn document by document. `data_dir` may be read.
  std::function<std::vector<std::string>(size_t documents, const std::string& data_dir)> preambles;
  // The answer a sample is logged with.
  std::function<std::string(const Json& document)> target;
  // `gold`: the document's own answer field as text. One grade a filter, in a fixed order. Takes any bytes.
  std::function<std::vector<FilterGrade>(std::string_view completion, std::string_view gold)> grade;
};

const std::vector<Task>& tasks();
const Task& find_task(std::string_view name);  // ExitCode::usage for an unknown name, with the nearest one

// The answer field as text: a string as it is, anything else as JSON. ExitCode::bad_file when absent.
std::string gold_of(const Task& task, const Json& document);

struct Prompt {
  int64_t doc_id = 0;  // counts the task's documents from 0
  Json document;
  std::string text;
  std::string target;
};

struct PromptOptions {
  std::string prompt_template;                          // for tasks with a default_template; empty: that one
  int64_t limit = std::numeric_limits<int64_t>::max();  // the first documents only
};

// ExitCode::usage for a template with a brace that has no partner, or without a field.
void check_prompt_template(std::string_view form);

// The prompts of a task's documents below `data_dir`, in order. ExitCode::bad_file for missing or malformed data;
// ExitCode::usage for a template with an unknown key, or one given to a task that has its own prompt.
std::vector<Prompt> make_prompts(const Task& task, const std::string& data_dir, const PromptOptions& options);

// Cuts a completion at the stop strings as the harness does: one after the other, each at its first place.
std::string cut_at_stops(std::string_view completion, const std::vector<std::string>& stop);

}  // namespace bt
