// Everything a training run is made of, opened and checked before its first step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bt/data/dataset.h"
#include "bt/data/loader.h"
#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/optim/gradient.h"
#include "bt/options/train_options.h"
#include "bt/train/memory.h"

namespace bt {

struct TrainingSetup {
  ExperimentOptions options;
  std::unique_ptr<Tokenizer> tokenizer;
  BoundaryTable boundaries;
  Dataset train, validation;       // validation may hold nothing
  Dataset positive, negative;      // the texts that the method contrasts, if it does
  std::unique_ptr<Method> method;  // null: plain fine-tuning
  Backbone backbone;
  std::string backbone_sha256;  // weights_fingerprint() of a frozen backbone under a method; else empty
  TriggerOptions trigger;       // never, where the method has no effect on the cache (LoRA)

  bool trains_backbone() const;
  ParameterStores trained() const;  // may be empty: an untrained control
  const Decoder& decoder() const { return backbone.decoder; }
  at::Device device() const { return backbone.decoder.embedding.device(); }
};

// Opens tokenizer, data, method and weights, in this order, so that the cheap mistakes show first. Errors are those of
// the parts: usage (2) for options that do not fit together, bad_file (3) for files.
TrainingSetup open_setup(ExperimentOptions options);

// The same without a value: parameters are on the meta device, so that a run larger than this machine can be described.
// Tokenizer and data are read; weights are checked where there are any.
TrainingSetup outline_setup(ExperimentOptions options);

// Of float32, float64 and bfloat16, as options name them.
at::ScalarType scalar_type(const std::string& dtype);

// "auto" is the first GPU that can be used, else the CPU. ExitCode::usage for a GPU that is not there; `option`: what
// the user set, for the error.
at::Device resolve_device(const std::string& name, const std::string& option = "run.device");

// Packs a batch as the method needs it. `draw`: what places drawn at random depend on beside the run's seed and the
// example: the step of training, or kValidationDraw, whose places are the same for every seed.
Plan plan_batch(const TrainingSetup& setup, const std::vector<Example>& batch, uint64_t draw);

LoaderOptions loader_options(const ExperimentOptions& options);

// Estimated at the largest batch of the first epoch: of most tokens, or of the longest sequences once padded.
// Boundaries that a model is asked for are not known yet: those of newlines stand for them.
MemoryClasses training_memory(const TrainingSetup& setup);

// Parameters, data and memory in words, one fact a line: what --dry-run prints.
std::string describe_setup(const TrainingSetup& setup);

// Writes what the run has made, as a folder of its own that appears whole: a Hugging Face folder where the backbone was
// trained, processor_config.json and processor.safetensors for a latent method; the resolved config beside them. An
// older folder of that name is replaced. ExitCode::io.
void save_trained(const TrainingSetup& setup, const std::string& folder, const std::string& resolved_config);

}  // namespace bt
