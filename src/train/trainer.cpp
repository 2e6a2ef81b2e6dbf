#include "bt/train/trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "bt/core/build_info.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/latent/saved_method.h"
#include "bt/train/calibration.h"
#include "bt/train/memory.h"

namespace bt {
namespace {

// What the numbers depend on beside the config, as a comment above it.
std::string resolved_config_text(TrainingSetup& setup) {
  const BuildInfo& build = build_info();
  return str("# bt ", build.version, " (", build.git_hash, "), LibTorch ", build.libtorch_version, ", ", build.compiler,
             ", on ", bt::str(setup.device()), "\n", write_options_yaml(setup.options));
}

AdamWOptions adamw_options(const TrainOptions& options) {
  return {
      .beta1 = options.betas[0], .beta2 = options.betas[1], .eps = options.eps, .weight_decay = options.weight_decay};
}

Schedule make_schedule(const TrainOptions& options, int64_t total_steps) {
  return {.kind = options.schedule == "constant" ? Schedule::Kind::constant : Schedule::Kind::cosine,
          .peak = options.lr,
          .warmup_steps = options.warmup_steps,
          .total_steps = total_steps,
          .final_ratio = options.final_lr_ratio};
}

int64_t steps_to_make(const TrainingSetup& setup) {
  if (setup.trained().empty()) return 0;
  return setup.options.train.total_steps(static_cast<int64_t>(setup.train.examples.size()));
}

// A curriculum begins without latents.
bool acts_from_the_start(const Method* method) {
  if (method == nullptr || !method->effects().any()) return false;
  const Append* append = method->effects().append;
  return append == nullptr || append->curriculum().stage_steps == 0;
}

std::vector<Example> first_examples(const Dataset& data, size_t count) {
  const auto end = data.examples.begin() + static_cast<std::ptrdiff_t>(std::min(count, data.examples.size()));
  return {data.examples.begin(), end};
}

}  // namespace

Trainer::Trainer(TrainingSetup setup, const std::string& resume)
    : setup_(std::move(setup)),
      resolved_config_(resolved_config_text(setup_)),
      loader_(setup_.train.examples, loader_options(setup_.options)),
      optimiser_(setup_.trained(), adamw_options(setup_.options.train)),
      total_steps_(steps_to_make(setup_)) {
  schedule_ = make_schedule(setup_.options.train, total_steps_);
  const std::string& out = setup_.options.run.out;
  check_model_outside(out, setup_.options.model.path);
  if (const auto checkpoint = checkpoint_to_go_on_from(resume)) {
    resume_from(*checkpoint);
  } else {
    clear_run_folder(out, resume == "none" ? Replace::anything : replaceable());
    start_anew();
  }
  write_file_atomically(out + "/config.resolved.yaml", resolved_config_);
  progress_.begin(state_.step, state_.tokens);
}

// Of another folder's run only where this folder has none of the same run: so the same command goes on, once stopped.
std::optional<std::string> Trainer::checkpoint_to_go_on_from(const std::string& resume) const {
  const std::string& out = setup_.options.run.out;
  const auto asked_for = find_resume_checkpoint(resume, out);
  if (!asked_for || is_checkpoint_of(out, *asked_for) || !has_same_config(out, resolved_config_)) return asked_for;
  const auto own = find_resume_checkpoint("auto", out);
  return own ? own : asked_for;
}

// What an earlier run of the same config has left may go where it cannot be gone on with.
Replace Trainer::replaceable() const {
  if (!has_same_config(setup_.options.run.out, resolved_config_)) return Replace::nothing;
  return total_steps_ == 0 ? Replace::anything : Replace::unfinished;
}

bool Trainer::run() {
  const StopSignal stop;
  for (bool stopping = stop.requested(); !done() && !stopping;) {
    const StepReport report = step();
    log(report);
    if (due(setup_.options.train.validate_every)) validate_and_keep_best();
    stopping = stop.requested();  // asked once, so that what ends the loop is saved
    if (due(setup_.options.checkpoint.every) || stopping) save();
  }
  progress_.finish_line();
  if (!done()) return false;
  if (total_steps_ == 0) validate_and_keep_best();  // an untrained control
  save_trained(setup_, setup_.options.run.out + "/final", resolved_config_);
  return true;
}

void Trainer::log(const StepReport& report) {
  if (state_.step == 1 && acts_from_the_start(setup_.method.get()) && report.calls_per_text == 0)
    log::warning("the method was called in no text of the first step; see latent.trigger and latent.rewrite_lag");
  const int64_t memory = peak_memory_bytes(setup_.device());
  const bool is_logged = due(setup_.options.log.every);
  progress_.show({.step = state_.step,
                  .total_steps = total_steps_,
                  .loss = report.loss,
                  .lr = report.lr,
                  .tokens_per_s = progress_.tokens_per_s(state_.tokens),
                  .memory_bytes = memory,
                  .seconds_left = progress_.seconds_left(state_.step, total_steps_)},
                 is_logged);
  if (!is_logged) return;
  Json figures = Json::object({{"tokens", state_.tokens},
                               {"loss", report.loss},
                               {"lr", report.lr},
                               {"grad_norm", report.grad_norm},
                               {"tokens_per_s", progress_.tokens_per_s(state_.tokens)},
                               {"max_memory_bytes", memory},
                               {"elapsed_s", elapsed_s()},
                               {"training_s", state_.training_s}});
  if (state_.flops > 0) figures.set("flops", state_.flops);
  add_figures_of_method(figures);
  if (report.skipped) figures.set("skipped", true);
  if (setup_.method != nullptr && setup_.method->effects().any()) figures.set("calls_per_text", report.calls_per_text);
  const auto set_layers = [&](const char* key, const std::vector<double>& x_L) {
    if (!x_L.empty()) figures.set(key, Json::array({x_L.begin(), x_L.end()}));
  };
  set_layers("rewrite_size", report.rewrite_size);
  set_layers("call_rate", report.call_rate);
  metrics_->write(state_.step, "train", figures);
}

void Trainer::add_figures_of_method(Json& figures) const {
  if (setup_.method == nullptr) return;
  const Json own = setup_.method->figures();
  for (const auto& [key, value] : own.as_object("figures")) figures.set(key, value);
}

void Trainer::validate_and_keep_best() {
  if (setup_.validation.examples.empty()) return;
  const ValidationReport report = validate();
  progress_.finish_line();
  log::info(str("step ", state_.step, ": validation loss ", report.loss, ", token accuracy ", report.accuracy));
  metrics_->write(state_.step, "validation",
                  Json::object({{"tokens", state_.tokens},
                                {"validation_loss", report.loss},
                                {"validation_accuracy", report.accuracy},
                                {"validation_tokens", report.supervised_tokens},
                                {"elapsed_s", elapsed_s()}}));
  const bool is_best = std::isfinite(report.loss) && (!state_.best_loss || report.loss < *state_.best_loss);
  if (!is_best) return;
  state_.best_loss = report.loss;
  state_.best_step = state_.step;
  if (setup_.options.checkpoint.keep_best) save_trained(setup_, setup_.options.run.out + "/best", resolved_config_);
}

void Trainer::save() {
  const std::string folder = setup_.options.run.out + "/checkpoints";
  TrainState state = state_;
  state.elapsed_s = elapsed_s();
  state.cursor = Json::object({{"epoch", cursor_.epoch}, {"index", cursor_.index}});
  state.config_sha256 = sha256_hex(write_options_yaml(setup_.options));
  state.data_sha256 = setup_.train.report.sha256;
  save_checkpoint(folder, state, tensors(), resolved_config_);
  purge_checkpoints(folder, {.keep_last = setup_.options.checkpoint.keep_last});
}

TrainTensors Trainer::tensors() const {
  NamedTensors parameters;
  if (setup_.trains_backbone()) {
    for (auto& [name, tensor] : setup_.backbone.parameters->named())
      parameters.emplace_back("backbone." + name, tensor);
  }
  if (setup_.method != nullptr) {
    for (auto& [name, tensor] : saved_tensors(*setup_.method)) parameters.emplace_back("method." + name, tensor);
  }
  return {std::move(parameters), optimiser_.state()};
}

void Trainer::start_anew() {
  constexpr size_t kCalibrationExamples = 64;
  if (setup_.method != nullptr) {
    calibrate(*setup_.method, setup_.decoder(), first_examples(setup_.train, kCalibrationExamples));
    measure_contrast(*setup_.method, setup_.decoder(), setup_.positive.examples, setup_.negative.examples);
  }
  metrics_ = std::make_unique<MetricsLog>(setup_.options.run.out, -1, setup_.options.log.tensorboard);
}

void Trainer::resume_from(const std::string& checkpoint) {
  check_same_config(checkpoint, resolved_config_);
  state_ = load_checkpoint(checkpoint, tensors());
  for (ParameterStore* store : setup_.trained()) store->refresh();
  if (state_.data_sha256 != setup_.train.report.sha256) {
    fail_bad_file({.what = "the training data has changed since the checkpoint",
                   .where = join(setup_.options.data.train, ", "),
                   .next_step = "restore the files, or start anew with --resume none"});
  }
  const std::string where = checkpoint + "/state.json: cursor.";
  cursor_ = {.epoch = state_.cursor.at("epoch", where).as_int(where + "epoch"),
             .index = state_.cursor.at("index", where).as_int(where + "index")};
  const bool goes_on_here = is_checkpoint_of(setup_.options.run.out, checkpoint);
  if (!goes_on_here) clear_run_folder(setup_.options.run.out, replaceable());
  loader_.seek(cursor_);
  optimiser_.set_steps(state_.optimiser_steps);
  remove_later_checkpoints(setup_.options.run.out, state_.step);
  if (!goes_on_here) state_.best_loss.reset();  // best/ is in the other folder
  metrics_ = std::make_unique<MetricsLog>(setup_.options.run.out, goes_on_here ? state_.step : -1,
                                          setup_.options.log.tensorboard);
  log::info(
      str("resumed at step ", state_.step, " of ", total_steps_, " (", state_.tokens, " tokens) from ", checkpoint));
}

double Trainer::elapsed_s() const { return state_.elapsed_s + progress_.elapsed_s(); }

bool Trainer::due(int64_t every) const { return (every > 0 && state_.step % every == 0) || done(); }

}  // namespace bt
