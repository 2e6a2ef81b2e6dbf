#include "bt/core/files.h"
#include "bt/latent/saved_method.h"
#include "bt/train/setup.h"
#include "folders.h"

namespace bt {

void save_trained(const TrainingSetup& setup, const std::string& folder, const std::string& resolved_config) {
  const std::string made = folder + ".tmp";
  remove_folder(made);
  make_folder(made);
  if (setup.trains_backbone()) {
    save_backbone(setup.backbone, made);
    setup.tokenizer->save(made);
  }
  if (setup.method != nullptr) {
    save_method(made, *setup.method, *setup.options.latent,
                {setup.options.model.path, setup.decoder().config, setup.tokenizer->fingerprint()});
  }
  write_file_atomically(made + "/config.resolved.yaml", resolved_config);
  replace_folder(made, folder);
}

}  // namespace bt
