#include "bt/options/eval_options.h"

#include <set>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/tasks.h"
#include "machine_options.h"

namespace bt {
namespace {

void check_files(const ModelPlace& place, const std::string& input, const std::string& output) {
  need_model(place);
  need_file(input, "the input");
  if (!output.empty()) check_writable_file(output);
}

}  // namespace

void EvalRunOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("tasks", tasks, {.help = "names, separated by commas (bt-eval tasks lists them)", .required = true});
  f.field("data", data, {.help = "folder that holds the tasks' data files", .required = true});
  f.field("out", out, {.help = "folder for results_*.json and samples_*.jsonl", .required = true});
  f.field("limit", limit, {.help = "first documents of each task only", .min = 1});
  f.field("batch_size", batch_size, {.help = "sequences decoded at once", .min = 1, .max = 1 << 16});
  f.field("seed", seed, {.help = "of what a method draws at random", .min = 0});
  f.field("max_new_tokens", max_new_tokens,
          {.help = "longest completion; default: the task's own", .min = 1, .max = 1 << 20});
  f.field("prompt_template", prompt_template,
          {.help = "prompt of the _sft tasks; default: the one the model was trained with"});
  chat_fields(f, place.chat);
  machine_fields(f, place);
}

void EvalRunOptions::validate() const {
  std::set<std::string> seen;
  for (const std::string& name : tasks) {
    find_task(name);
    if (!seen.insert(name).second) fail_usage({.what = "a task is named twice", .where = "--tasks", .found = name});
  }
  if (!prompt_template.empty()) check_prompt_template(prompt_template);
  check_place(place);
}

void ScoreOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("input", input, {.help = "JSON Lines: {\"ids\": [...]} or {\"text\": \"...\"}", .required = true});
  f.field("output", output, {.help = "the same lines with logprobs, sum and ppl", .required = true});
  f.field("batch_size", batch_size, {.help = "sequences scored at once", .min = 1, .max = 1 << 16});
  machine_fields(f, place);
}

void ScoreOptions::validate() const { check_place(place); }

void PerplexityOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("input", input,
          {.help = "a text, or JSON Lines (.jsonl): {\"text\": \"...\"}, a document a line", .required = true});
  f.field("output", output, {.help = "file for the figures as JSON"});
  f.field("context", context, {.help = "tokens that the model sees at once", .min = 2, .max = 1 << 30});
  f.field("stride", stride, {.help = "tokens by which the window moves on", .min = 1, .max = 1 << 30});
  f.field("batch_size", batch_size, {.help = "windows scored at once", .min = 1, .max = 1 << 16});
  machine_fields(f, place);
}

void PerplexityOptions::validate() const {
  if (stride >= context) {
    fail_usage({.what = "the stride is not smaller than the context: tokens would be scored without any before them",
                .where = "--stride",
                .expected = str("1 to ", context - 1),
                .found = str(stride)});
  }
  check_place(place);
}

void AheadPerplexityOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("input", input,
          {.help = "a text, or JSON Lines (.jsonl): {\"text\": \"...\"}, a document a line", .required = true});
  f.field("output", output, {.help = "file for the figures of every position as JSON"});
  f.field("context", context, {.help = "tokens of a text; longer documents are several", .min = 2, .max = 1 << 30});
  f.field("ahead", ahead, {.help = "positions after the latents", .min = 1, .max = 1 << 16});
  f.field("places", places, {.help = "places of a text where latents are appended", .min = 1, .max = 1 << 30});
  f.field("batch_size", batch_size, {.help = "texts at once", .min = 1, .max = 1 << 16});
  f.field("seed", seed, {.help = "of the places", .min = 0});
  machine_fields(f, place);
}

void AheadPerplexityOptions::validate() const { check_place(place); }

void ProbeRunOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("input", input,
          {.help = "JSON Lines: {\"prompt\", \"text\", \"labels\": {name: [one a call]}}", .required = true});
  f.field("output", output, {.help = "file for the figures as JSON"});
  f.field("rows", rows, {.help = "rows of a step, from its newest on", .min = 1, .max = 1 << 16});
  f.field("ridge", ridge, {.help = "penalty of the regression, on features of variance 1", .min = 1e-9, .max = 1e9});
  f.field("batch_size", batch_size, {.help = "texts at once", .min = 1, .max = 1 << 16});
  machine_fields(f, place);
}

void ProbeRunOptions::validate() const { check_place(place); }

void check_files(const EvalRunOptions& options) {
  need_model(options.place);
  for (const std::string& name : options.tasks) {
    need_file(options.data + "/" + find_task(name).data_file, "the data of " + name);
  }
  check_writable_folder(options.out);
}

void check_files(const PerplexityOptions& options) { check_files(options.place, options.input, options.output); }
void check_files(const AheadPerplexityOptions& options) { check_files(options.place, options.input, options.output); }
void check_files(const ProbeRunOptions& options) { check_files(options.place, options.input, options.output); }
void check_files(const ScoreOptions& options) { check_files(options.place, options.input, options.output); }

}  // namespace bt
