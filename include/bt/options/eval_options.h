// What `bt-eval run`, `score` and `perplexity` are asked to do. Torch-free: filled and checked before LibTorch is
// opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/option_fields.h"

namespace bt {

struct EvalRunOptions final : Options {
  std::string model;   // Hugging Face folder
  std::string latent;  // folder of a trained latent method; empty: the model alone
  bool allow_other_backbone = false;
  std::vector<std::string> tasks;  // names of bt/text/tasks.h
  std::string data;                // folder of the tasks' data files
  std::string out;                 // folder for results_*.json and samples_*.jsonl
  std::optional<int64_t> limit;    // first documents of each task; absent: all
  int64_t batch_size = 16;         // sequences decoded at once
  int64_t seed = 0;
  std::optional<int64_t> max_new_tokens;  // absent: the task's own
  std::string chat = "none";              // none, auto, or a name of bt/text/chat_template.h
  std::string system;                     // system message of the chat template
  std::string prompt_template;            // of *_sft tasks; empty: the template the model was trained with
  std::string load = "read";              // mmap | read: how weights are read
  std::string device = "auto";            // cpu | cuda | cuda:N | auto
  std::string dtype = "float32";
  int64_t threads = 0;  // 0: one per core
  void fields(OptionFields& f) override;
  // ExitCode::usage for an unknown or repeated task or device.
  void validate() const override;
};

struct ScoreOptions final : Options {
  std::string model;
  std::string latent;
  bool allow_other_backbone = false;
  std::string input;   // JSON Lines: {"ids": [...]} or {"text": "..."}
  std::string output;  // the same lines with logprobs, sum and ppl
  int64_t batch_size = 16;
  std::string load = "read";
  std::string device = "auto";
  std::string dtype = "float32";
  int64_t threads = 0;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct PerplexityOptions final : Options {
  std::string model;
  std::string latent;
  bool allow_other_backbone = false;
  std::string input;       // text, or JSON Lines: {"text": "..."}, a document a line
  std::string output;      // JSON; empty: none
  int64_t context = 1024;  // tokens of a window
  int64_t stride = 512;    // below context
  int64_t batch_size = 8;  // windows scored at once
  std::string load = "read";
  std::string device = "auto";
  std::string dtype = "float32";
  int64_t threads = 0;
  void fields(OptionFields& f) override;
  // ExitCode::usage for a stride that is no smaller than the context, or an unknown device.
  void validate() const override;
};

// ExitCode::bad_file when the model folder, the latent folder, a task's data file or the input is missing.
void check_files(const EvalRunOptions& options);
void check_files(const ScoreOptions& options);
void check_files(const PerplexityOptions& options);

}  // namespace bt
