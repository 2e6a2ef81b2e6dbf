#include "bt/app/eval_app.h"

#include <chrono>

#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/eval/report.h"
#include "bt/options/eval_options.h"
#include "results.h"

namespace bt {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

HarnessOptions harness_options(const EvalRunOptions& options) {
  return {.data = options.data,
          .limit = options.limit,
          .batch_size = options.batch_size,
          .seed = options.seed,
          .max_new_tokens = options.max_new_tokens,
          .prompt_template = options.prompt_template};
}

int evaluate(const EvalRunOptions& options) {
  EvaluationRun run;
  run.start_time = unix_time();
  run.started = file_time(run.start_time);
  run.options = harness_options(options);
  const InferenceModel model = open_inference_model(options.place);
  run.model = &model;
  std::vector<TaskResult> results;
  FirstFailure failure;
  for (const std::string& name : options.tasks) {
    results.push_back(evaluate_task(model, find_task(name), run.options));
    failure.guard([&] { print(task_table(model, results.back())); });
    failure.guard([&] { write_samples(options.out, run, results.back()); });
  }
  run.total_seconds = unix_time() - run.start_time;
  failure.guard([&] { print(circumstances(run)); });
  failure.guard([&] { log::info("wrote " + write_results(options.out, run, results)); });
  failure.rethrow();
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_eval(const void* request) { return bt::evaluate(*static_cast<const bt::EvalRunOptions*>(request)); }
