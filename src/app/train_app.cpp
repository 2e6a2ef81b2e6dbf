#include "bt/app/train_app.h"

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/latent/plugin.h"
#include "bt/train/out_of_memory.h"
#include "bt/train/run_lock.h"
#include "bt/train/trainer.h"

namespace bt {
namespace {

void log_lines(const std::string& text) {
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) log::info(line);
  }
}

void describe(TrainingSetup setup) { print(str(write_options_yaml(setup.options), "\n", describe_setup(setup))); }

void train(TrainingSetup setup, const std::string& resume) {
  const std::string out = setup.options.run.out, final_folder = out + "/final";
  log_lines(describe_setup(setup));
  const RunLock lock(out);
  Trainer trainer(std::move(setup), resume);
  const bool was_done = trainer.done() && trainer.total_steps() > 0;
  if (was_done && std::filesystem::exists(final_folder)) {
    log::info(str("nothing to do: ", out, " is complete after ", trainer.total_steps(),
                  " steps (--resume none starts anew)"));
    return;
  }
  if (trainer.run()) {
    log::info("wrote " + final_folder);
  } else {
    log::info(str("stopped after step ", trainer.state().step, "; the same command goes on from there"));
  }
}

ExperimentOptions options_of(const TrainRequest& request) {
  ExperimentOptions options;
  read_options(request.config, options);
  return options;
}

const Remedies& remedies() {
  static const char* const kBatch = "train.batch_size (with train.accumulate larger by as much), data.max_tokens, ";
  static const char* const kTrained = "latent.method (lora trains adapters alone), a smaller model, run.dtype: float32";
  static const Remedies all = {
      {"weights", "a smaller model, run.dtype: float32, run.device (one with more memory)"},
      {"gradients", kTrained},
      {"optimiser", kTrained},
      {"activations", str(kBatch, "train.bptt_steps: 1")},
      {"cache", str(kBatch, "latent.trigger.max_calls")},
      {"logits", str(kBatch, "data.answer_only: true")},
      {"scores", str(kBatch, "data.too_long: split")},
  };
  return all;
}

}  // namespace
}  // namespace bt

int bt_app_train(const void* request_pointer) {
  const auto& request = *static_cast<const bt::TrainRequest*>(request_pointer);
  for (const std::string& path : bt::plugin_paths(request.config)) bt::open_plugin(path);
  if (request.dry_run) {
    bt::describe(bt::outline_setup(bt::options_of(request)));
    return 0;
  }
  bt::within_memory(
      bt::options_of(request).run.device, bt::remedies(),
      [&] { return bt::training_memory(bt::outline_setup(bt::options_of(request))); },
      [&] { bt::train(bt::open_setup(bt::options_of(request)), request.resume); });
  return 0;
}
