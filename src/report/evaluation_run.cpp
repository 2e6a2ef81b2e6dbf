#include "evaluation_run.h"

#include <limits>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt::report {
namespace {

constexpr uint64_t kMostBytes = uint64_t{16} << 20;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostFiles = 64, kMostScores = 512;

int64_t count(const Json& object, const char* key, const std::string& where) {
  const std::string place = str(where, ".", key);
  const int64_t value = object.at(key, place).as_int(place);
  if (value < 0) {
    fail_bad_file({.what = "a count is negative", .where = place, .expected = "0 or more", .found = str(value)});
  }
  return value;
}

TaskScore read_score(const std::string& task, const std::string& filter, const Json& score, const std::string& where) {
  TaskScore out{task, filter, count(score, "right", where), count(score, "answers", where),
                score.contains("undecided") ? count(score, "undecided", where) : 0};
  if (out.answers == 0 || out.right > out.answers) {
    fail_bad_file({.what = "a score is impossible",
                   .where = where,
                   .expected = "answers, and no more right ones",
                   .found = str(out.right, " right of ", out.answers)});
  }
  return out;
}

void add_task(EvaluationRun& run, const std::string& task, const Json& scores, bool has_method,
              const std::string& where) {
  const Json& ours = scores.at("bt", where + ".bt");
  TaskCost cost{.task = task, .truncated = count(ours, "truncated_answers", where + ".bt")};
  for (const auto& [filter, score] : ours.at("filters", where + ".bt.filters").as_object(where + ".bt.filters")) {
    run.scores.push_back(read_score(task, filter, score, str(where, ".bt.filters: ", quoted_excerpt(filter))));
    cost.answers = run.scores.back().answers;
  }
  const auto figure = [&](const char* key) { return number_or_nan(ours.find(key), str(where, ".bt.", key)); };
  cost.calls_per_answer = has_method ? figure("calls_per_answer") : kNan;
  cost.share_without_call = has_method ? figure("share_without_call") : kNan;
  cost.tokens_per_s = figure("tokens_per_s");
  run.costs.push_back(std::move(cost));
  if (run.scores.size() > kMostScores) fail_too_many(where, "scores", kMostScores, run.scores.size());
}

// The text of a scalar, or nothing.
std::string scalar_text(const Json* value) {
  if (value == nullptr || value->is_null() || value->is_array() || value->is_object()) return "";
  return value->is_string() ? value->as_string("") : value->dump();
}

// nullptr where the model was evaluated alone.
const Json* method_of(const Json& results) {
  const Json* ours = results.find("bt");
  const Json* method = ours == nullptr ? nullptr : ours->find("method");
  return method == nullptr || method->is_null() ? nullptr : method;
}

Provenance provenance_of(const std::string& path, const Json& results) {
  Provenance out{.name = {}, .folder = path, .facts = {}, .config = {}};
  const auto add = [&](const std::string& heading, const Json* value) {
    const std::string text = scalar_text(value);
    if (!text.empty()) out.facts.emplace_back(heading, text);
  };
  add("environment", results.find("pretty_env_info"));
  add("git hash", results.find("git_hash"));
  if (const Json* config = results.find("config")) {
    add("model", config->find("model_args"));
    add("dtype", config->find("model_dtype"));
    add("batch size", config->find("batch_size"));
    add("first documents", config->find("limit"));
    add("seed", config->find("random_seed"));
  }
  if (const Json* method = method_of(results)) {
    add("method", method->find("name"));
    add("parameters of the method", method->find("parameters"));
    out.config = scalar_text(method->find("options"));
  }
  return out;
}

std::string last_part(const std::string& folder) {
  const size_t end = folder.find_last_not_of('/'), slash = folder.rfind('/', end);
  return end == std::string::npos ? folder : folder.substr(slash == std::string::npos ? 0 : slash + 1, end - slash);
}

}  // namespace

EvaluationRun read_evaluation_run(const RunFolder& folder) {
  if (folder.results.size() > kMostFiles) {
    fail_too_many(folder.path, "results files", kMostFiles, folder.results.size());
  }
  EvaluationRun run{.name = last_part(folder.path), .folder = folder.path, .provenance = {}, .scores = {}, .costs = {}};
  std::set<std::string> seen;
  for (auto file = folder.results.rbegin(); file != folder.results.rend(); ++file) {
    const Json results = Json::parse_file(*file, kMostBytes);
    const std::string where = *file + ": results";
    bool counts = false;
    for (const auto& [task, scores] : results.at("results", where).as_object(where)) {
      if (!seen.insert(task).second) continue;
      add_task(run, task, scores, method_of(results) != nullptr, str(where, ".", quoted_excerpt(task)));
      counts = true;
    }
    if (counts) run.provenance.push_back(provenance_of(*file, results));
  }
  return run;
}

}  // namespace bt::report
