// The training loop: load a batch, make a step, validate, save. One class serves plain fine-tuning and every latent
// method; what differs lies in TrainingSetup and in the engine (runtime/teacher_forced.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bt/data/loader.h"
#include "bt/optim/adamw.h"
#include "bt/optim/schedule.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/train/checkpoint.h"
#include "bt/train/metrics_log.h"
#include "bt/train/progress.h"
#include "bt/train/setup.h"
#include "bt/train/stop_signal.h"

namespace bt {

// What one optimiser step did.
struct StepReport {
  double loss = 0;       // mean negative log-likelihood of a supervised token, nats
  double grad_norm = 0;  // before clipping
  double lr = 0;
  bool skipped = false;              // not finite: no update was made
  double calls_per_text = 0;         // boundaries at which the method acted, or places of branches
  std::vector<double> rewrite_size;  // per layer: |delta| / |u| (RMS over the passes with events)
  // Where calls are learned: the mean probability of acting at a boundary, per layer; or, of branches, one number, the
  // share of the places where the method calls.
  std::vector<double> call_rate;
};

struct ValidationReport {
  double loss = 0;      // mean negative log-likelihood of a supervised token, nats
  double accuracy = 0;  // share of supervised tokens that the model ranks first
  int64_t supervised_tokens = 0;
};

// What of an earlier run in the folder may be lost. unfinished: figures and best/ of a run that wrote no checkpoint.
enum class Replace { nothing, unfinished, anything };

class Trainer {
 public:
  // `resume`: auto (go on where run.out has a checkpoint), none (start anew, replacing what the run left there), or the
  // path of a checkpoint or of another run's folder. ExitCode::usage where the config differs from the checkpoint's.
  Trainer(TrainingSetup setup, const std::string& resume);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Trains to the end or to a stop signal, saving on the way and at the end. True: the run is complete.
  // ExitCode::numerical when a loss or gradient is not finite; ExitCode::io when something cannot be written.
  bool run();

  const TrainState& state() const { return state_; }
  int64_t total_steps() const { return total_steps_; }
  bool done() const { return state_.step >= total_steps_; }
  const TrainingSetup& setup() const { return setup_; }

  StepReport step();                  // one optimiser step on the next batches; throws at a numerical stop
  ValidationReport validate() const;  // on the validation examples

 private:
  void start_anew();
  std::optional<std::string> checkpoint_to_go_on_from(const std::string& resume) const;
  Replace replaceable() const;
  void resume_from(const std::string& checkpoint);
  TrainTensors tensors() const;

  // The forward passes of one optimiser step, ready to run, and what there is in them.
  struct Passes {
    std::vector<std::vector<Example>> batches;
    std::vector<DevicePlan> plans;
    int64_t tokens = 0, supervised = 0, calls = 0, events = 0, texts = 0;
    double flops = 0;
    LoaderCursor end;  // of the loader, behind them
  };
  Passes prepare(int64_t step);
  void prepare_next();
  void accumulate(const Passes& passes, StepReport& report);
  void update(const Passes& passes, StepReport& report);
  void log(const StepReport& report);
  void add_figures_of_method(Json& figures) const;
  void validate_and_keep_best();
  void save();
  ForwardOptions forward_options(double loss_scale) const;
  bool due(int64_t every) const;         // every `every` steps and at the last one
  double flops(const Plan& plan) const;  // 0: not known
  double elapsed_s() const;              // of all the run's sessions

  TrainingSetup setup_;
  std::string resolved_config_;
  Loader loader_;  // ahead of the steps by what is in next_
  std::optional<Passes> next_;
  AdamW optimiser_;
  Schedule schedule_;
  int64_t total_steps_ = 0;
  TrainState state_;     // elapsed_s: of earlier sessions
  LoaderCursor cursor_;  // behind the steps done
  std::unique_ptr<MetricsLog> metrics_;
  Progress progress_;
};

// The folder that `--resume` means: nothing for a fresh start. ExitCode::bad_file for a path without a valid
// checkpoint.
std::optional<std::string> find_resume_checkpoint(const std::string& resume, const std::string& run_folder);

// Whether the run of this folder wrote the checkpoint.
bool is_checkpoint_of(const std::string& run_folder, const std::string& checkpoint);

// Makes the folder of a run that starts there, and removes what an earlier run left. ExitCode::usage where there is
// more to lose than may be replaced. unfinished: figures and best/ of a run that wrote no checkpoint.
void clear_run_folder(const std::string& run_folder, Replace replace);

// ExitCode::usage for a model inside what a run in the folder replaces.
void check_model_outside(const std::string& run_folder, const std::string& model_folder);

// What an abandoned continuation of the run left: it would otherwise be taken for this run's newest checkpoint.
void remove_later_checkpoints(const std::string& run_folder, int64_t step);

}  // namespace bt
