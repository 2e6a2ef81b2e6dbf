// A training run on disk, between two of its steps: everything that a resumed run needs to go on bit for bit.
//
//   step_N/parameters.safetensors   what is trained, and calibration
//   step_N/optimizer.safetensors    the optimiser's running averages
//   step_N/state.json               counters and the place in the data
//   step_N/config.resolved.yaml     the run's config
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/model/named_tensors.h"

namespace bt {

struct TrainState {
  int64_t step = 0;             // steps done
  int64_t tokens = 0;           // tokens seen
  int64_t optimiser_steps = 0;  // updates made: steps that were not skipped
  int64_t skipped_in_a_row = 0;
  double flops = 0;                 // of all steps (runtime/step_flops.h); 0 where no formula is known
  double elapsed_s = 0;             // validations and saving included
  double training_s = 0;            // of the optimiser steps alone
  std::optional<double> best_loss;  // of a validation
  int64_t best_step = 0;
  Json cursor;                           // of the data loader
  std::string config_sha256;             // of the resolved config
  std::vector<std::string> data_sha256;  // of every training file

  Json json() const;
  static TrainState parse(const Json& json, const std::string& source);
};

// Where the tensors of a run live: loading copies into them, saving reads them.
struct TrainTensors {
  NamedTensors parameters, optimiser;
};

// Saves `folder`/step_N as a whole (format/checkpoint_folder.h). ExitCode::io.
void save_checkpoint(const std::string& folder, const TrainState& state, const TrainTensors& tensors,
                     const std::string& resolved_config);

// Reads a verified checkpoint `path` into `tensors`. ExitCode::bad_file naming file and key.
TrainState load_checkpoint(const std::string& path, const TrainTensors& tensors);

// ExitCode::usage with every key that differs between the checkpoint's config and this one.
void check_same_config(const std::string& checkpoint, const std::string& resolved_config);
// Whether the folder of a run holds a resolved config that is the same.
bool has_same_config(const std::string& run_folder, const std::string& resolved_config);

}  // namespace bt
