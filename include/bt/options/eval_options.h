// What the commands of bt-eval that run a model are asked to do. Torch-free: filled and checked before LibTorch is
// opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/option_fields.h"
#include "bt/options/model_place.h"

namespace bt {

struct EvalRunOptions final : Options {
  ModelPlace place;
  std::vector<std::string> tasks;  // names of bt/text/tasks.h
  std::string data;                // folder of the tasks' data files
  std::string out;                 // folder for results_*.json and samples_*.jsonl
  std::optional<int64_t> limit;    // first documents of each task; absent: all
  int64_t batch_size = 16;         // sequences decoded at once
  int64_t seed = 0;
  std::optional<int64_t> max_new_tokens;  // absent: the task's own
  std::string prompt_template;            // of *_sft tasks; empty: the template the model was trained with
  void fields(OptionFields& f) override;
  // ExitCode::usage for an unknown or repeated task, an unknown device, or a template that names no field.
  void validate() const override;
};

struct ScoreOptions final : Options {
  ModelPlace place;
  std::string input;   // JSON Lines: {"ids": [...]} or {"text": "..."}
  std::string output;  // the same lines with logprobs, sum and ppl
  int64_t batch_size = 16;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct PerplexityOptions final : Options {
  ModelPlace place;
  std::string input;       // text, or JSON Lines: {"text": "..."}, a document a line
  std::string output;      // JSON; empty: none
  int64_t context = 1024;  // tokens of a window
  int64_t stride = 512;    // below context
  int64_t batch_size = 8;  // windows scored at once
  void fields(OptionFields& f) override;
  // ExitCode::usage for a stride that is no smaller than the context, or an unknown device.
  void validate() const override;
};

struct AheadPerplexityOptions final : Options {
  ModelPlace place;
  std::string input;   // text, or JSON Lines: {"text": "..."}, a document a line
  std::string output;  // JSON; empty: none
  int64_t context = 1024, ahead = 32, places = 64, batch_size = 4, seed = 0;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct ProbeRunOptions final : Options {
  ModelPlace place;
  std::string input;   // JSON Lines: as for score, with "labels"
  std::string output;  // JSON; empty: none
  int64_t rows = 4;    // of a step, from its newest on
  double ridge = 0.01;
  int64_t batch_size = 16;
  void fields(OptionFields& f) override;
  void validate() const override;
};

// ExitCode::bad_file when the model folder, the latent folder, a task's data file or the input is missing; ExitCode::io
// when what will be found could not be written. Change nothing on disk.
void check_files(const EvalRunOptions& options);
void check_files(const ScoreOptions& options);
void check_files(const PerplexityOptions& options);
void check_files(const AheadPerplexityOptions& options);
void check_files(const ProbeRunOptions& options);

}  // namespace bt
