#include "run_folder.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt::report {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_other_folder(const std::string& path, const std::string& found) {
  fail_bad_file({.what = "nothing to report on",
                 .where = path,
                 .expected =
                     "config.resolved.yaml with metrics.jsonl or final/ (bt-train), results_*.json (bt-eval run), or "
                     "study.json",
                 .found = found,
                 .next_step = "name the folder of a run that has written them, not its best/, final/ or checkpoints/"});
}

bool is_results_file(const std::string& name) { return name.starts_with("results_") && name.ends_with(".json"); }

std::vector<std::string> file_names(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (auto entry = fs::directory_iterator(path, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) fail_other_folder(path, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::string first_of(std::vector<std::string> names) {
  constexpr size_t kMost = 8;
  if (names.empty()) return "an empty folder";
  const size_t count = names.size();
  names.resize(std::min(count, kMost));
  return join(names, ", ") + (count > kMost ? str(" and ", count - kMost, " more") : "");
}

}  // namespace

RunFolder open_run_folder(const std::string& path) {
  const std::vector<std::string> names = file_names(path);
  const auto has = [&](const char* name) { return std::binary_search(names.begin(), names.end(), name); };
  // Without steps to train there are no figures, but a final/. The config alone lies in best/ and final/, too.
  const bool has_run = has("metrics.jsonl") || has("final");
  RunFolder folder{path, has("config.resolved.yaml") && has_run, has("metrics.jsonl"), {}, has("study.json")};
  for (const std::string& name : names) {
    if (is_results_file(name)) folder.results.push_back(path + "/" + name);
  }
  if (!folder.is_training && !folder.is_study && folder.results.empty()) fail_other_folder(path, first_of(names));
  return folder;
}

double number_or_nan(const Json* value, const std::string& where) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (value == nullptr || value->is_null()) return kNan;
  if (!value->is_string()) return value->as_double(where);
  const std::string& name = value->as_string(where);
  if (name != "NaN" && name != "Infinity" && name != "-Infinity") {
    fail_bad_file({.what = "a figure is no number",
                   .where = where,
                   .expected = "a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"",
                   .found = quoted_excerpt(name)});
  }
  return kNan;
}

void fail_too_many(const std::string& where, const std::string& of_what, size_t most, size_t found) {
  fail_bad_file({.what = "too many for one page",
                 .where = where,
                 .expected = str("at most ", most, " ", of_what),
                 .found = str(found)});
}

std::vector<std::string> distinct_names(const std::vector<std::string>& names,
                                        const std::vector<std::string>& folders) {
  std::vector<std::string> out;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool is_alone = std::count(names.begin(), names.end(), names[i]) == 1;
    out.push_back(is_alone ? names[i] : str(names[i], " (", folders[i], ")"));
  }
  return out;
}

}  // namespace bt::report
