// What `bt-generate` is asked to do. Torch-free: filled and checked before LibTorch is opened.
#pragma once

#include <cstdint>
#include <string>

#include "bt/core/option_fields.h"

namespace bt {

struct GenerateOptions final : Options {
  std::string model;   // Hugging Face folder
  std::string latent;  // folder of a trained latent method; empty: the model alone
  std::string prompt;  // one text; or
  std::string input;   // JSON Lines: {"prompt": "..."} or {"ids": [...]}
  std::string output;  // JSON Lines; empty: standard output
  std::string trace;   // folder for trace.jsonl; empty: none
  int64_t max_new_tokens = 256;
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  int64_t seed = 0;
  bool json = false;  // an object instead of text for `prompt`
  int64_t batch_size = 8;
  std::string device = "auto";
  std::string dtype = "float32";
  int64_t threads = 0;
  void fields(OptionFields& f) override;
  // ExitCode::usage for both or neither of prompt and input, or an unknown device.
  void validate() const override;
};

// ExitCode::bad_file when the model folder, the latent folder or the input is missing.
void check_files(const GenerateOptions& options);

}  // namespace bt
