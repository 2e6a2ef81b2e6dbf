#include <filesystem>

#include "bt/core/files.h"
#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "bt/train/setup.h"
#include "folders.h"

namespace bt {

namespace {

// How the model's makers sample, as they wrote it; the end tokens in it are in config.json too.
void carry_generation_config(const std::string& from, const std::string& to) {
  constexpr uint64_t max_bytes = uint64_t{4} << 20;
  const std::string name = "/generation_config.json";
  if (from.empty() || !std::filesystem::is_regular_file(from + name)) return;
  write_file_atomically(to + name, read_file(from + name, max_bytes));
}

}  // namespace

void save_trained(const TrainingSetup& setup, const std::string& folder, const std::string& resolved_config) {
  const std::string made = folder + ".tmp";
  remove_folder(made);
  make_folders(made);
  if (setup.trains_backbone()) {
    save_backbone(setup.backbone, made);
    setup.tokenizer->save(made);
    carry_generation_config(setup.options.model.path, made);
  }
  if (setup.method != nullptr) {
    const std::string weights =
        setup.trains_backbone() ? weights_fingerprint(*setup.backbone.parameters) : setup.backbone_sha256;
    save_method(made, *setup.method, *setup.options.latent,
                {setup.options.model.path, setup.decoder().config, setup.tokenizer->fingerprint(), weights});
  }
  write_file_atomically(made + "/config.resolved.yaml", resolved_config);
  replace_folder(made, folder);
}

}  // namespace bt
