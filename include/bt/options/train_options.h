// One training run as its YAML file describes it, group by group. Torch-free: read by `bt-train` before LibTorch is
// opened, and by everything that needs to know how a model was trained.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/config_node.h"
#include "bt/core/option_fields.h"
#include "bt/data/dataset.h"
#include "bt/format/model_config.h"
#include "bt/options/method_options.h"
#include "bt/text/tokenizer.h"

namespace bt {

struct RunOptions final : Options {
  std::string name = "run";
  std::string out;  // folder the run writes to
  int64_t seed = 0;
  int64_t threads = 0;               // 0: one per core
  std::string device = "auto";       // cpu | cuda | cuda:N | auto
  std::string dtype = "float32";     // of weights and computation: float32 | float64 | bfloat16
  std::vector<std::string> plugins;  // shared libraries that add methods
  void fields(OptionFields& f) override;
  void validate() const override;
};

// A Hugging Face folder (`path`), or the sizes of a decoder that starts from random weights.
struct ModelOptions final : Options {
  std::string path;
  std::string load = "read";  // mmap | read: how the weights in `path` are read
  std::string tokenizer;      // folder, file or "bytes"; empty: the tokenizer in `path`
  std::string family = "llama";
  std::optional<int64_t> hidden_size, intermediate_size, layers, heads;
  std::optional<int64_t> kv_heads, head_dim;  // default: heads; hidden_size / heads
  int64_t max_position = 2048;
  double rope_theta = 10000;
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = true;
  double initializer_range = 0.02;
  void fields(OptionFields& f) override;
  void validate() const override;
  bool from_scratch() const { return path.empty(); }
  const std::string& tokenizer_path() const { return tokenizer.empty() ? path : tokenizer; }
  ModelConfig scratch_config(const Tokenizer& vocabulary) const;  // precondition: from_scratch()
};

struct DataOptions final : Options {
  std::vector<std::string> train, validation;  // JSON Lines files, or .txt files
  std::string prompt = "{question}\n";         // templates: `{key}` stands for the record's field of that name
  std::string response = "{answer}";
  bool strip_calculator = true;   // removes GSM8K's <<48/2=24>> annotations
  bool add_bos = false;           // in front of every example
  int64_t max_tokens = 1024;      // of an example
  std::string too_long = "drop";  // drop | truncate | split
  bool answer_only = true;        // the loss counts the response (and its end), not the prompt
  int64_t length_window = 0;      // batches among which examples are grouped by length; 0: no grouping
  void fields(OptionFields& f) override;
  void validate() const override;
  DatasetSpec spec(const std::vector<std::string>& files) const;
};

struct TrainOptions final : Options {
  std::optional<int64_t> steps;  // optimiser steps (0: for a method without parameters alone); or
  std::optional<double> epochs;  // passes over the training data (default 1)
  int64_t batch_size = 16;       // sequences of one forward pass
  int64_t accumulate = 1;        // forward passes of one step
  double lr = 1e-3;
  double weight_decay = 0;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  std::string schedule = "cosine";  // cosine | constant, after the warm-up
  int64_t warmup_steps = 0;
  double final_lr_ratio = 0.1;        // cosine: the last step's rate relative to `lr`
  double clip_norm = 1.0;             // 0: no clipping
  std::string bptt_steps = "1";       // boundaries between two cuts of the cache's graph, or `full`
  std::string order = "layer_major";  // layer_major | step_major
  std::string on_nonfinite = "stop";  // stop | skip
  int64_t skip_limit = 10;            // skip: skipped steps in a row that stop the run after all
  int64_t validate_every = 0;         // steps; 0: at the end only
  int64_t validate_examples = 0;      // 0: all
  void fields(OptionFields& f) override;
  void validate() const override;
  int64_t boundaries_per_graph() const;         // bptt_steps as a number; 0: full
  int64_t total_steps(int64_t examples) const;  // of a run over this many training examples
};

struct CheckpointOptions final : Options {
  int64_t every = 500;  // steps; 0: at the end only
  int64_t keep_last = 2;
  bool keep_best = true;  // write best/ whenever the validation loss improves
  void fields(OptionFields& f) override;
};

struct LogOptions final : Options {
  int64_t every = 10;  // steps
  bool tensorboard = true;
  void fields(OptionFields& f) override;
};

struct ExperimentOptions final : Options {
  RunOptions run;
  ModelOptions model;
  std::string method;               // name of the latent method; empty: plain fine-tuning (SFT)
  std::unique_ptr<Options> latent;  // its options; null exactly when `method` is empty
  DataOptions data;
  TrainOptions train;
  CheckpointOptions checkpoint;
  LogOptions log;
  void fields(OptionFields& f) override;
  void validate() const override;
  // When the method acts; never, for SFT.
  TriggerOptions trigger() const;
};

// The YAML of a run with `key.path=value` overrides applied. ExitCode::usage for a missing file or bad syntax.
ConfigNode read_config(const std::string& path, const std::vector<std::string>& overrides);

// The paths in run.plugins, which must be opened before the methods' keys can be understood.
std::vector<std::string> plugin_paths(const ConfigNode& config);

// A key whose value differs between two runs, as dotted path and both values ("-" where absent).
struct ConfigDifference {
  std::string key, before, after;
};
// What must not change when a run is resumed: every key but run.name, run.out, model.load,
// checkpoint.* and log.*.
std::vector<ConfigDifference> config_differences(const ConfigNode& before, const ConfigNode& after);

}  // namespace bt
