#include "bt/eval/harness.h"

#include <algorithm>
#include <chrono>

#include "answer_progress.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/data/dataset.h"
#include "bt/text/calculator.h"
#include "bt/text/text_template.h"

namespace bt {
namespace {

bool in_training_form(const Task& task) { return !task.default_template.empty(); }

// Its only field stands for the task's question, whatever it was called in training.
std::string choose_template(const InferenceModel& model, const Task& task, const HarnessOptions& options) {
  if (!in_training_form(task)) return "";
  const std::string trained = model.training != nullptr ? model.training->prompt_template : task.default_template;
  return with_only_field(options.prompt_template.empty() ? trained : options.prompt_template,
                         only_field(task.default_template));
}

// A model that was trained without calculator annotations is not asked with them.
bool without_annotations(const InferenceModel& model, const Task& task) {
  return in_training_form(task) && model.training != nullptr && model.training->strip_calculator;
}

// A gold that no answer could be graded against is refused before anything is generated.
void check_gold(const Task& task, const Prompt& prompt) {
  try {
    task.grade("", gold_of(task, prompt.document));
  } catch (const Error& error) {
    Problem problem = error.problem();
    problem.where = str(task.name, ", document ", prompt.doc_id, ": ", problem.where);
    throw Error(error.code(), std::move(problem));
  }
}

std::vector<Sample> make_samples(const InferenceModel& model, const HarnessOptions& options, TaskResult& result) {
  std::vector<Sample> samples;
  for (Prompt& prompt : make_prompts(*result.task, options.data, {.prompt_template = result.prompt_template})) {
    ++result.documents;
    if (options.limit && result.documents > *options.limit) continue;
    check_gold(*result.task, prompt);
    if (without_annotations(model, *result.task)) prompt.text = without_calculator(prompt.text);
    samples.emplace_back().prompt = std::move(prompt);
  }
  return samples;
}

// Fits prompt and answer into the model's context: the answer's share is at most half of it.
GenerationRequest make_request(const InferenceModel& model, Sample& sample, const TaskResult& result, int64_t seed) {
  GenerationRequest request;
  request.id = static_cast<uint64_t>(sample.prompt.doc_id) + (static_cast<uint64_t>(seed) << 32);
  request.prompt = model.encode_prompt(sample.prompt.text);
  const int64_t context = model.decoder().config.max_position;
  const int64_t room = std::max<int64_t>(1, context - std::min(result.max_new_tokens, context / 2));
  const auto length = static_cast<int64_t>(request.prompt.size());
  sample.prompt_cut = length > room;
  if (sample.prompt_cut) request.prompt.erase(request.prompt.begin(), request.prompt.end() - room);
  sample.prompt_tokens = static_cast<int64_t>(request.prompt.size());
  request.max_new_tokens = std::clamp<int64_t>(context - sample.prompt_tokens, 1, result.max_new_tokens);
  return request;
}

void answer(const InferenceModel& model, const HarnessOptions& options, TaskResult& result) {
  std::vector<GenerationRequest> requests;
  for (Sample& sample : result.samples) requests.push_back(make_request(model, sample, result, options.seed));
  AnswerProgress progress(result.task->name, static_cast<int64_t>(requests.size()));
  const auto start = std::chrono::steady_clock::now();
  std::vector<Completion> completions =
      generate(model, requests, {.slots = options.batch_size, .stop = result.task->stop, .sampling = {}},
               {.on_text = {},
                .on_completion = [&](size_t, const Completion& done) { progress.add(done.ids.size()); },
                .interrupted = {}});
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (size_t i = 0; i < completions.size(); ++i) result.samples[i].completion = std::move(completions[i]);
}

}  // namespace

TaskResult evaluate_task(const InferenceModel& model, const Task& task, const HarnessOptions& options) {
  TaskResult result;
  result.task = &task;
  result.prompt_template = choose_template(model, task, options);
  result.max_new_tokens = options.max_new_tokens.value_or(task.max_new_tokens);
  result.samples = make_samples(model, options, result);
  answer(model, options, result);
  for (Sample& sample : result.samples) {
    sample.grades = task.grade(sample.completion.text, gold_of(task, sample.prompt.document));
  }
  return result;
}

}  // namespace bt
