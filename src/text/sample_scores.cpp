#include "sample_scores.h"

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

// "samples_gsm8k_cot_2026-01-31T10-00-00.jsonl" -> "gsm8k_cot"; "" for any other name.
std::string task_of(const fs::path& file) {
  const std::string name = file.stem().string(), prefix = "samples_";
  const size_t date = name.rfind('_');
  const bool is_samples = file.extension() == ".jsonl" && name.starts_with(prefix) && date > prefix.size();
  return is_samples ? name.substr(prefix.size(), date - prefix.size()) : "";
}

void add_score(std::map<int64_t, SampleScore>& scores, int64_t document, SampleScore score, const std::string& where) {
  if (!scores.emplace(document, std::move(score)).second) {
    fail_bad_file({.what = "a document is graded twice", .where = where, .found = str("doc_id ", document)});
  }
}

// A line of the harness's samples file: one document under one filter, the score under the name of its metric.
void add_sample(SampleScores& scores, const std::string& task, const Json& line, const std::string& where) {
  const Json* filter = line.find("filter");
  const std::string name = filter == nullptr ? "none" : filter->as_string(where + ": filter");
  const Json* metrics = line.find("metrics");
  const bool named = metrics != nullptr && metrics->is_array() && !metrics->as_array(where).empty();
  const std::string metric = named ? metrics->as_array(where).front().as_string(where + ": metrics") : "exact_match";
  const Json* hash = line.find("doc_hash");
  add_score(
      scores[{task, name}], line.at("doc_id", where + ": doc_id").as_int(where + ": doc_id"),
      {line.at(metric, where + ": " + metric).as_double(where + ": " + metric), hash == nullptr ? "" : hash->dump()},
      where);
}

void add_graded(SampleScores& scores, const std::string& task, const Json& line, int64_t position,
                const std::string& where) {
  const Json* id = line.find("doc_id");
  const int64_t document = id == nullptr ? position : id->as_int(where + ": doc_id");
  const Json* gold = line.find("gold");
  for (const auto& [filter, grade] : line.at("graded", where).as_object(where + ": graded")) {
    add_score(scores[{task, filter}], document,
              {grade.at("score", where).as_double(where + ": score"), gold == nullptr ? "" : gold->dump()}, where);
  }
}

void add_file(SampleScores& scores, const fs::path& file) {
  const std::string named = task_of(file), task = named.empty() ? "graded" : named;
  const std::vector<Json> lines = read_json_lines(file.string());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string where = str(file.string(), ": object ", i + 1);
    if (lines[i].contains("graded")) {
      add_graded(scores, task, lines[i], static_cast<int64_t>(i), where);
    } else {
      add_sample(scores, task, lines[i], where);
    }
  }
}

// The newest samples file of every task; dates sort as text.
std::map<std::string, fs::path> samples_in(const std::string& folder) {
  std::map<std::string, fs::path> newest;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string task = task_of(entry.path());
    if (task.empty()) continue;
    fs::path& file = newest[task];
    if (file.filename() < entry.path().filename()) file = entry.path();
  }
  return newest;
}

}  // namespace

SampleScores read_sample_scores(const std::string& path, const std::string& task) {
  SampleScores scores;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    for (const auto& [of, file] : samples_in(path)) {
      if (task.empty() || of == task) add_file(scores, file);
    }
  } else {
    add_file(scores, path);
  }
  if (scores.empty()) {
    fail_bad_file({.what = task.empty() ? "no graded samples" : "no graded samples of " + task,
                   .where = path,
                   .expected = "samples_<task>_<date>.jsonl or graded JSON Lines",
                   .next_step = "bt-eval run and bt-eval grade write them"});
  }
  return scores;
}

}  // namespace bt
