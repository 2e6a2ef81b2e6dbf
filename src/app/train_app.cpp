#include "bt/app/train_app.h"

#include <cstdio>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/latent/plugin.h"
#include "bt/train/trainer.h"

namespace bt {
namespace {

void log_lines(const std::string& text) {
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) log::info(line);
  }
}

void describe(TrainingSetup setup) {
  std::printf("%s\n%s", write_options_yaml(setup.options).c_str(), describe_setup(setup).c_str());
}

int train(TrainingSetup setup, const std::string& resume) {
  const std::string out = setup.options.run.out, final_folder = out + "/final";
  log_lines(describe_setup(setup));
  Trainer trainer(std::move(setup), resume);
  const bool was_done = trainer.done() && trainer.total_steps() > 0;
  if (was_done && std::filesystem::exists(final_folder)) {
    log::info(str("nothing to do: ", out, " is complete after ", trainer.total_steps(),
                  " steps (--resume none starts anew)"));
    return 0;
  }
  if (trainer.run()) {
    log::info("wrote " + final_folder);
  } else {
    log::info(str("stopped after step ", trainer.state().step, "; the same command goes on from there"));
  }
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_train(const void* request_pointer) {
  const auto& request = *static_cast<const bt::TrainRequest*>(request_pointer);
  for (const std::string& path : bt::plugin_paths(request.config)) bt::open_plugin(path);
  bt::ExperimentOptions options;
  bt::read_options(request.config, options);
  if (!request.dry_run) return bt::train(bt::open_setup(std::move(options)), request.resume);
  bt::describe(bt::outline_setup(std::move(options)));
  return 0;
}
