#include "bt/options/eval_options.h"

#include <filesystem>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/text/tasks.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kDtypes = {"float32", "float64", "bfloat16"};

void machine_fields(OptionFields& f, std::string& device, std::string& dtype, int64_t& threads) {
  f.field("device", device, {.help = "cpu, cuda, cuda:N or auto (a GPU where there is one)"});
  f.field("dtype", dtype, {.help = "of weights and computation", .choices = kDtypes});
  f.field("threads", threads, {.help = "CPU threads; 0: one per core", .min = 0, .max = 1024});
}

void check_device(const std::string& device) {
  const bool numbered = device.starts_with("cuda:") && device.size() > 5 && device.size() <= 8 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device == "auto" || device == "cpu" || device == "cuda" || numbered) return;
  fail_usage({.what = "unknown device", .where = "--device", .expected = "cpu, cuda, cuda:N or auto", .found = device});
}

void need_file(const fs::path& path, const std::string& what) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path.string(), .expected = "a file", .found = "none"});
}

void need_folder(const std::string& path, const std::string& what) {
  std::error_code ignored;
  if (path.empty() || fs::is_directory(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path, .expected = "a folder", .found = "none"});
}

}  // namespace

void EvalRunOptions::fields(OptionFields& f) {
  f.field("model", model, {.help = "Hugging Face folder of the decoder", .required = true});
  f.field("latent", latent, {.help = "folder of a trained latent method; without it the decoder alone"});
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
  machine_fields(f, device, dtype, threads);
}

void EvalRunOptions::validate() const {
  std::set<std::string> seen;
  for (const std::string& name : tasks) {
    find_task(name);
    if (!seen.insert(name).second) fail_usage({.what = "a task is named twice", .where = "--tasks", .found = name});
  }
  check_device(device);
}

void ScoreOptions::fields(OptionFields& f) {
  f.field("model", model, {.help = "Hugging Face folder of the decoder", .required = true});
  f.field("latent", latent, {.help = "folder of a trained latent method; without it the decoder alone"});
  f.field("input", input, {.help = "JSON Lines: {\"ids\": [...]} or {\"text\": \"...\"}", .required = true});
  f.field("output", output, {.help = "the same lines with logprobs, sum and ppl", .required = true});
  f.field("batch_size", batch_size, {.help = "sequences scored at once", .min = 1, .max = 1 << 16});
  machine_fields(f, device, dtype, threads);
}

void ScoreOptions::validate() const { check_device(device); }

void check_files(const EvalRunOptions& options) {
  need_file(fs::path(options.model) / "config.json", "the model's config");
  need_folder(options.latent, "the latent method's folder");
  for (const std::string& name : options.tasks) {
    need_file(fs::path(options.data) / find_task(name).data_file, "the data of " + name);
  }
}

void check_files(const ScoreOptions& options) {
  need_file(fs::path(options.model) / "config.json", "the model's config");
  need_folder(options.latent, "the latent method's folder");
  need_file(options.input, "the input");
}

}  // namespace bt
