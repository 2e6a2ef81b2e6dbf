// What `bt-generate` is asked to do. Torch-free: filled and checked before LibTorch is opened.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bt/core/option_fields.h"
#include "bt/options/model_place.h"

namespace bt {

struct GenerateOptions final : Options {
  ModelPlace place;
  std::string prompt;             // one text; or
  std::string input;              // JSON Lines: {"prompt": "..."} or {"ids": [...]}
  std::string output;             // JSON Lines; empty: standard output
  std::string trace;              // folder for trace.jsonl; empty: none
  bool interactive = false;       // prompts from standard input, a line each
  std::vector<std::string> stop;  // a flag of its own (--stop, repeatable): a text may hold commas
  std::vector<int64_t> stop_token;
  int64_t max_new_tokens = 256;
  double repetition_penalty = 1;
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  int64_t seed = 0;
  bool json = false;  // an object instead of text for `prompt`
  int64_t batch_size = 8;
  void fields(OptionFields& f) override;
  // ExitCode::usage for none or several of prompt, input and interactive, or an unknown device.
  void validate() const override;
};

// ExitCode::bad_file when the model folder, the latent folder or the input is missing; ExitCode::io when the output or
// the trace could not be written. Changes nothing on disk.
void check_files(const GenerateOptions& options);

}  // namespace bt
