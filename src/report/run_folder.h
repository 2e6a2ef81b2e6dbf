// What a folder holds that a page can show, told by its files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bt/core/json.h"

namespace bt::report {

// Where a run came from.
struct Provenance {
  std::string name, folder;
  std::vector<std::pair<std::string, std::string>> facts;  // heading, value
  std::string config;                                      // whole text; may be empty
};

struct RunFolder {
  std::string path;
  bool is_training = false, has_metrics = false;
  std::vector<std::string> results;  // paths of results_*.json, the newest last
  bool is_study = false;
};

RunFolder open_run_folder(const std::string& path);  // ExitCode::bad_file for a folder of another kind

// The number of `value`; NaN for null, absent (nullptr) and the strings that stand for what is not finite ("NaN",
// "Infinity", "-Infinity"). ExitCode::bad_file naming `where` for any other value.
double number_or_nan(const Json* value, const std::string& where);

[[noreturn]] void fail_too_many(const std::string& where, const std::string& of_what, size_t most, size_t found);

// Names that differ: where two are equal, all of that name get their folder in brackets.
std::vector<std::string> distinct_names(const std::vector<std::string>& names, const std::vector<std::string>& folders);

}  // namespace bt::report
