// A run of bt-train: config.resolved.yaml and, but for a run without steps, metrics.jsonl.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "run_folder.h"

namespace bt::report {

// One key of metrics.jsonl over training steps.
struct Curve {
  std::vector<double> steps, values;  // NaN where a figure is not finite
};

// A key whose figures are lists, one number a layer; lists in lists are taken as one.
struct LayerFigures {
  std::vector<double> steps;
  std::vector<std::vector<double>> values;
};

struct TrainingRun {
  std::string name, folder, method;
  Provenance provenance;
  std::map<std::string, Curve> curves;
  std::map<std::string, LayerFigures> layers;
  bool ends_cut_short = false;      // the last line was not finished and is left out
  int64_t trained_parameters = -1;  // below 0: no checkpoint that says so

  const Curve* find(const std::string& key) const;  // nullptr when the run has no such figures
};

// ExitCode::bad_file with file and line for what is malformed or too large.
TrainingRun read_training_run(const RunFolder& folder);

}  // namespace bt::report
