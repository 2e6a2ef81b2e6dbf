// The results file, in lm-evaluation-harness's keys (lm_eval/loggers/evaluation_tracker.py, evaluator.py).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include "bt/core/build_info.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/eval/report.h"

namespace bt {
namespace {

constexpr const char* kMetric = "exact_match";

std::string environment(const InferenceModel& model) {
  const BuildInfo& build = build_info();
  return str("bt ", build.version, " (", build.git_hash, ", ", build.compiler, ", ", build.build_type, ")\nLibTorch ",
             TORCH_VERSION, "\ndevice ", model.device_name(), ", threads ", at::get_num_threads());
}

Json stops_json(const Task& task) {
  Json stops = Json::array();
  for (const std::string& stop : task.stop) stops.push_back(stop);
  return stops;
}

Json task_scores(const TaskResult& result) {
  Json out = Json::object({{"alias", result.task->name}});
  Json ours = Json::object();
  for (const FilterScore& score : result.scores()) {
    out.set(str(kMetric, ",", score.name), score.accuracy());
    out.set(str(kMetric, "_stderr,", score.name), score.standard_error());
    const Interval interval = score.interval();
    ours.set(score.name, Json::object({{"right", score.right},
                                       {"answers", score.answers},
                                       {"undecided", score.undecided},
                                       {"interval_95", Json::array({interval.low, interval.high})}}));
  }
  out.set("bt", Json::object({{"filters", std::move(ours)},
                              {"grader", result.task->grader},
                              {"calls_per_answer", result.calls_per_answer()},
                              {"share_without_call", result.share_without_call()},
                              {"truncated_answers", result.truncated_answers()},
                              {"cut_prompts", result.cut_prompts()},
                              {"generated_tokens", result.generated_tokens()},
                              {"generation_seconds", result.seconds},
                              {"tokens_per_s", result.tokens_per_s()}}));
  return out;
}

Json task_config(const TaskResult& result, const HarnessOptions& options) {
  const Task& task = *result.task;
  return Json::object(
      {{"task", task.name},
       {"dataset_path", options.data + "/" + task.data_file},
       {"doc_to_text", result.prompt_template.empty() ? task.prompt_form : result.prompt_template},
       {"num_fewshot", task.shots},
       {"output_type", "generate_until"},
       {"generation_kwargs", Json::object({{"until", stops_json(task)},
                                           {"do_sample", false},
                                           {"temperature", 0.0},
                                           {"max_gen_toks", result.max_new_tokens}})},
       {"repeats", 1},
       {"metric_list",
        Json::array({Json::object({{"metric", kMetric}, {"aggregation", "mean"}, {"higher_is_better", true}})})},
       {"metadata", Json::object({{"version", task.version}})}});
}

// The prompts that were used, in order: two runs with equal hashes asked the same questions in the same words.
std::string task_hash(const TaskResult& result) {
  std::string hashes;
  for (const Sample& sample : result.samples) hashes += sha256_hex(sample.prompt.text);
  return sha256_hex(hashes);
}

Json run_config(const EvaluationRun& run) {
  const InferenceModel& model = *run.model;
  const HarnessOptions& options = run.options;
  std::string arguments = "model=" + model.path;
  if (!model.latent_path.empty()) arguments += ",latent=" + model.latent_path;
  if (model.rewrite_control != "none") arguments += ",rewrite_control=" + model.rewrite_control;
  return Json::object({{"model", "bt"},
                       {"model_args", arguments},
                       {"model_num_parameters", model.backbone.parameters->count()},
                       {"model_dtype", model.dtype_name()},
                       {"batch_size", options.batch_size},
                       {"device", model.device_name()},
                       {"limit", options.limit ? Json(*options.limit) : Json()},
                       {"gen_kwargs", Json()},
                       {"random_seed", options.seed}});
}

Json method_json(const InferenceModel& model) {
  if (model.method() == nullptr) return Json();
  const ParameterStore* parameters = model.method()->parameters();
  return Json::object({{"name", model.method()->name()},
                       {"path", model.latent_path},
                       {"rewrite_control", model.rewrite_control},
                       {"parameters", parameters != nullptr ? parameters->count() : int64_t{0}},
                       {"options", write_options_yaml(*model.latent.options)}});
}

Json our_part(const InferenceModel& model) {
  Json training;
  if (model.training != nullptr) {
    training = Json::object({{"prompt", model.training->prompt_template},
                             {"add_bos", model.training->add_bos},
                             {"strip_calculator", model.training->strip_calculator}});
  }
  return Json::object({{"version", build_info().version},
                       {"libtorch", TORCH_VERSION},
                       {"threads", at::get_num_threads()},
                       {"method", method_json(model)},
                       {"training_text", std::move(training)},
                       {"tokenizer_sha256", model.tokenizer->fingerprint()}});
}

// {task: of(result)} over all tasks.
template <class Of>
Json by_task(const std::vector<TaskResult>& results, Of of) {
  Json out = Json::object();
  for (const TaskResult& result : results) out.set(result.task->name, of(result));
  return out;
}

}  // namespace

Json results_json(const EvaluationRun& run, const std::vector<TaskResult>& results) {
  const InferenceModel& model = *run.model;
  return Json::object({
      {"results", by_task(results, task_scores)},
      {"group_subtasks", by_task(results, [](const TaskResult&) { return Json::array(); })},
      {"configs", by_task(results, [&](const TaskResult& r) { return task_config(r, run.options); })},
      {"versions", by_task(results, [](const TaskResult& r) { return Json(r.task->version); })},
      {"n-shot", by_task(results, [](const TaskResult& r) { return Json(r.task->shots); })},
      {"higher_is_better", by_task(results,
                                   [](const TaskResult&) {
                                     return Json::object({{kMetric, true}});
                                   })},
      {"n-samples",
       by_task(
           results,
           [](const TaskResult& r) {
             return Json::object({{"original", r.documents}, {"effective", static_cast<int64_t>(r.samples.size())}});
           })},
      {"config", run_config(run)},
      {"git_hash", build_info().git_hash},
      {"date", run.start_time},
      {"pretty_env_info", environment(model)},
      {"transformers_version", Json()},
      {"task_hashes", by_task(results, [](const TaskResult& r) { return Json(task_hash(r)); })},
      {"model_source", "bt"},
      {"model_name", model.path},
      {"system_instruction", model.chat.system.empty() ? Json() : Json(model.chat.system)},
      {"chat_template", model.chat.name == "none" ? Json() : Json(model.chat.name)},
      {"chat_template_sha", Json()},
      {"max_length", model.decoder().config.max_position},
      {"start_time", run.start_time},
      {"end_time", run.start_time + run.total_seconds},
      {"total_evaluation_time_seconds", str(run.total_seconds)},
      {"bt", our_part(model)},
  });
}

}  // namespace bt
