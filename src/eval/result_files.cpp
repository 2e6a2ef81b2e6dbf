#include <array>
#include <cmath>
#include <ctime>

#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/eval/report.h"
#include "bt/text/json_lines.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

Json boundaries_json(const Completion& completion) {
  Json out = Json::array();
  for (const int64_t at : completion.boundaries) out.push_back(at);
  return out;
}

Json arguments_json(const TaskResult& result, const Sample& sample) {
  Json until = Json::array();
  for (const std::string& stop : result.task->stop) until.push_back(stop);
  return Json::object(
      {{"gen_args_0", Json::object({{"arg_0", sample.prompt.text},
                                    {"arg_1", Json::object({{"until", std::move(until)},
                                                            {"do_sample", false},
                                                            {"temperature", 0.0},
                                                            {"max_gen_toks", result.max_new_tokens}})}})}});
}

Json sample_json(const TaskResult& result, const Sample& sample, const FilterGrade& grade) {
  const std::string text = valid_utf8(sample.completion.text);
  Json ours = Json::object({{"finish_reason", finish_name(sample.completion.finish)},
                            {"new_tokens", static_cast<int64_t>(sample.completion.ids.size())},
                            {"prompt_tokens", sample.prompt_tokens},
                            {"boundaries", boundaries_json(sample.completion)}});
  if (sample.prompt_cut) ours.set("prompt_cut", true);
  if (grade.undecided) ours.set("undecided", true);
  return Json::object({{"doc_id", sample.prompt.doc_id},
                       {"doc", sample.prompt.document},
                       {"target", sample.prompt.target},
                       {"arguments", arguments_json(result, sample)},
                       {"resps", Json::array({Json::array({text})})},
                       {"filtered_resps", Json::array({grade.extracted})},
                       {"filter", grade.filter},
                       {"metrics", Json::array({"exact_match"})},
                       {"exact_match", static_cast<double>(grade.score)},
                       {"doc_hash", sha256_hex(sample.prompt.document.dump(2))},
                       {"prompt_hash", sha256_hex(sample.prompt.text)},
                       {"target_hash", sha256_hex(sample.prompt.target)},
                       {"bt", std::move(ours)}});
}

}  // namespace

std::string file_time(double unix_seconds) {
  const auto seconds = static_cast<std::time_t>(std::floor(unix_seconds));
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 64> date{}, micros{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H-%M-%S", &local);
  std::snprintf(micros.data(), micros.size(), ".%06d",
                static_cast<int>((unix_seconds - static_cast<double>(seconds)) * 1e6) % 1'000'000);
  return str(date.data(), micros.data());
}

std::string samples_jsonl(const TaskResult& result) {
  std::vector<Json> lines;
  for (const Sample& sample : result.samples) {
    for (const FilterGrade& grade : sample.grades) lines.push_back(sample_json(result, sample, grade));
  }
  return dump_json_lines(lines);
}

std::string write_samples(const std::string& folder, const EvaluationRun& run, const TaskResult& result) {
  const std::string path = str(folder, "/samples_", result.task->name, "_", run.started, ".jsonl");
  make_folders(folder);
  write_file_atomically(path, samples_jsonl(result));
  return path;
}

std::string write_results(const std::string& folder, const EvaluationRun& run, const std::vector<TaskResult>& results) {
  const std::string path = str(folder, "/results_", run.started, ".json");
  make_folders(folder);
  write_file_atomically(path, results_json(run, results).dump(2) + "\n");
  return path;
}

}  // namespace bt
