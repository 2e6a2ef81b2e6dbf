// Option structs of the latent methods, by name: torch-free, so that a misspelt key costs milliseconds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/option_fields.h"
#include "bt/format/model_config.h"
#include "bt/text/boundaries.h"

namespace bt {

// `latent.trigger`.
struct TriggerConfig final : Options {
  std::string kind = "newline";
  int64_t every_n = 16;
  std::vector<int64_t> token_ids;
  double threshold = 1;
  std::string boundaries = "precomputed";  // precomputed | live
  int64_t min_step_tokens = 1;
  bool at_prompt_end = true;
  bool inside_prompt = false;
  int64_t max_calls = 0;
  void fields(OptionFields& f) override;
  void validate() const override;
  TriggerOptions resolve(bool before_boundary_token) const;
};

// What every method's options share.
struct MethodOptions : Options {
  TriggerConfig trigger;
  std::string rewrite_at = "after_newline";  // after_newline | before_newline
  int64_t rewrite_lag = 0;                   // a key of the methods that offer it
  void common_fields(OptionFields& f);
  TriggerOptions resolved_trigger() const;
};

// Rewriting methods: which rows (docs/architecture.md, "The Bottlenecked Transformer's event").
// Their keys stand beside the method's own.
struct RowChoiceOptions {
  int64_t recall = 32;             // K
  int64_t recent = 64;             // R
  std::string window = "step";     // step | recent
  std::string recall_by = "mass";  // mass | random | newest
  int64_t recall_exclude_first = 0;
  bool rewrite_recent = true;   // false: recent rows vote, and only the recalled are rewritten
  double recall_share = 0;      // of the earlier rows' mass that the recalled must hold; 0: always K rows
  double recall_diversity = 0;  // weight of likeness to rows already recalled; 0: mass alone
  void recent_fields(OptionFields& f);
  void recall_fields(OptionFields& f);
  void validate() const;  // ExitCode::usage for keys that contradict each other
};

struct BtOptions : MethodOptions {  // `bt`: the Cache Processor
  std::string preset = "bt";        // bt | paper: the defaults that the other keys then change
  RowChoiceOptions rows;
  int64_t width = 512;  // P
  int64_t heads = 16;
  int64_t feed_forward = 2240;
  std::string kv_scale = "calibrated";  // calibrated | none
  std::string key_frame = "rotated";    // rotated | unrotated
  bool processor_rope = true;
  bool kind_embedding = true;
  bool causal = false;
  std::string rewrites = "both";  // both | values | keys
  std::string gates = "layer";    // layer | head
  bool share_layers = false;      // one block for all layers
  bool train_backbone = false;    // together with the processor
  std::string calls = "always";   // always | learned
  double call_cost = 0.01;        // learned: nats that the mean probability of a call costs
  double call_init = 1;           // learned: initial logit of a call
  double gate_init = -4;
  double gate_lr_multiplier = 10;
  double out_deviation = 0.02;
  void fields(OptionFields& f) override;
  void validate() const override;

 protected:
  bool recalls_ = true;  // false: the recall keys do not exist

 private:
  // Sets the defaults of `preset` once, when it has just been read: a resolved config read back keeps its own values.
  void apply_preset();
  std::string applied_preset_ = "bt";
};

struct RecentOnlyOptions final : BtOptions {  // `recent_only`: the Cache Processor without recall, a trained control
  RecentOnlyOptions() {
    rows.recall = 0;
    recalls_ = false;
  }
};

struct AppendRowsOptions final : BtOptions {  // `append_rows`: new rows instead of rewritten ones, a trained control
  void validate() const override;
};

struct ConstantRewriteOptions final : MethodOptions {  // `constant_rewrite`: a learned delta per slot, no input
  RowChoiceOptions rows;
  double gate_init = -4;
  double gate_lr_multiplier = 10;
  double out_deviation = 0.02;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct MeanShiftOptions final : MethodOptions {  // `mean_shift`: chosen rows' values pulled to their mean, untrained
  RowChoiceOptions rows;
  double strength = 0.05;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct LoraOptions final : MethodOptions {  // `lora`: adapters on the backbone's projections
  int64_t rank = 16;
  double alpha = 32;  // scale = alpha / rank
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct PauseOptions final : MethodOptions {  // `pause`: learned embeddings at boundaries
  int64_t count = 4;
  bool shared = false;  // one embedding, `count` times
  bool train_backbone = false;
  double deviation = 0.02;
  void fields(OptionFields& f) override;
};

struct DcaOptions final : MethodOptions {  // `dca`: a coprocessor's latents after the prompt
  DcaOptions() { trigger.kind = "none"; }  // at the end of the prompt alone
  int64_t latents = 32;                    // N
  int64_t ahead = 16;                      // A
  int64_t places = 128;                    // M
  std::string positions = "shift";         // shift | keep
  std::vector<int64_t> train_lag = {0, 0};
  bool asynchronous = false;         // in generation
  int64_t join_after = -1;           // asynchronous: tokens after the boundary; -1: as soon as they are ready
  std::string coprocessor = "copy";  // copy | lora | scratch
  int64_t rank = 64;
  double alpha = 128;
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  std::optional<int64_t> width, feed_forward, heads;  // default: the backbone's
  double deviation = 0.02;
  std::string calls = "always";  // always | learned
  double call_cost = 0;          // of a learned call, in nats per token ahead
  void fields(OptionFields& f) override;
  void validate() const override;
  // The coprocessor's own shape: from scratch, layers, key/value heads and head width still are the backbone's, whose
  // keys and values it reads. ExitCode::usage for query heads that do not share those heads evenly.
  ModelConfig coprocessor_config(ModelConfig backbone) const;
};

struct RolloutOptions final : MethodOptions {  // `rollout`: the decoder reads its own hidden states
  RolloutOptions() { trigger.kind = "none"; }  // at the end of the prompt alone
  int64_t latents = 4;
  bool train_backbone = true;
  int64_t stage_steps = 0;  // of the curriculum; 0: none
  int64_t latents_per_step = 1;
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct SteerOptions final : MethodOptions {  // `steer`: a direction added to the residual stream
  std::vector<int64_t> layers;               // empty: all
  std::string places = "after";              // boundary_token | next_step | after
  std::string direction = "learned";         // learned | mean_difference
  std::string positive, negative;            // mean_difference: files of texts
  std::string measured_on = "response";      // response | last
  double strength = 1;                       // mean_difference
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct EvictOptions final : MethodOptions {  // `evict`: keep the rows of greatest attention mass
  int64_t keep = 64;                         // rows kept per layer besides the recent ones
  int64_t recent = 16;
  int64_t pool = 1;              // neighbours, the row itself included, over which mass is pooled
  std::string pool_by = "mean";  // mean | max
  void fields(OptionFields& f) override;
  void validate() const override;
};

struct GistOptions final : MethodOptions {          // `gist`: a step's rows merged into a few
  GistOptions() { trigger.at_prompt_end = false; }  // the prompt stays whole
  int64_t rows = 4;                                 // M
  int64_t recent = 64;
  void fields(OptionFields& f) override;
};

// Schema registry. The built-in names are listed in methods.inc; plug-ins add theirs before a config is read. A name
// registered twice is a std::logic_error. Not for use by several threads at once.
using MakeMethodOptions = std::unique_ptr<Options> (*)();
void register_method_options(std::string_view name, std::string_view summary, MakeMethodOptions make);
std::unique_ptr<Options> make_method_options(std::string_view name);  // nullptr for an unknown name
std::vector<std::string> method_names();                              // sorted
std::string_view method_summary(std::string_view name);

}  // namespace bt
