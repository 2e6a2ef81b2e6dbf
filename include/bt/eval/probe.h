// What linear probes read from the cache entries of a step, before and after a method changed them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/eval/inference_model.h"
#include "bt/eval/scoring.h"

namespace bt {

struct ProbeOptions {
  int64_t rows = 4;         // of a step, from its newest on
  double ridge = 0.01;      // of the regression, on features of variance 1
  int64_t batch_size = 16;  // texts at once
};

// A text, and what is to be read at every call of the method in it.
struct ProbeText {
  ScoreRequest request;
  std::map<std::string, std::vector<std::optional<std::string>>> labels;  // by name: one a call, or one for all
};

// Probes of one layer, one row and one label. Shares of calls.
struct Probe {
  int64_t layer = 0;
  std::string row;  // "-1": the step's newest row, "-2": the one before; "recalled": the mean of all rows recalled
  std::string label;
  int64_t calls = 0, classes = 0;
  double most_common = 0;        // of the most frequent class: what no probe at all gets right
  double before = 0, after = 0;  // read from the entry as it was, and as the method left it
};

// Texts are given, not generated. A probe is a ridge regression on the classes as indicator variables, in fp64 on the
// CPU, from one cache entry of one layer (keys and values of all heads, standardised); trained on every other text and
// tested on the rest, then the other way round, the two counted together. Rows that a call does not have, and calls
// without the label, are left out; so are probes with fewer than two classes or two texts. The order: layer, label,
// row. Puts itself between the engine and the model's method for as long as the model lives. ExitCode::usage for a
// model without a method that rewrites or appends rows; ExitCode::bad_file for labels that do not fit the calls.
// Memory: (rows + 1) entries of every layer and call, twice, in fp32.
std::vector<Probe> probe(InferenceModel& model, const std::vector<ProbeText>& texts, const ProbeOptions& options);

// A line of `bt-eval probe`: those of `bt-eval score` with "labels": {"result": ["3", null, "8"], "answer": "8"}.
// Labels are texts, numbers or booleans; null: not this call. `where` names the line.
ProbeText read_probe_text(const InferenceModel& model, const Json& line, const std::string& where);

Json probes_json(const InferenceModel& model, const ProbeOptions& options, const std::vector<Probe>& probes);
std::string probes_text(const std::vector<Probe>& probes);

}  // namespace bt
