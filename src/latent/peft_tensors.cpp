#include "peft_tensors.h"

#include <filesystem>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/peft_config.h"
#include "bt/format/safetensors.h"

namespace bt {
namespace {

struct Module {
  const char* target;
  const char* name;
};

constexpr Module kModules[] = {{"q", "self_attn.q_proj"}, {"k", "self_attn.k_proj"}, {"v", "self_attn.v_proj"},
                               {"o", "self_attn.o_proj"}, {"gate", "mlp.gate_proj"}, {"up", "mlp.up_proj"},
                               {"down", "mlp.down_proj"}};

// The target that a tensor belongs to, or nullptr.
const char* target_of(std::string_view tensor) {
  for (const Module& module : kModules) {
    const std::string stem = str(".", module.name, ".");
    if (tensor.find(stem + "lora_A.") != std::string_view::npos) return module.target;
    if (tensor.find(stem + "lora_B.") != std::string_view::npos) return module.target;
  }
  return nullptr;
}

}  // namespace

std::string peft_module(const std::string& target) {
  for (const Module& module : kModules) {
    if (target == module.target) return module.name;
  }
  BT_ASSERT(!"a target of LoraOptions");
  return {};
}

NamedTensors peft_tensors(const ParameterStore& store, const LoraOptions& options, int64_t layers) {
  NamedTensors tensors;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const std::string& target : options.targets) {
      const std::string stem = str(kPeftPrefix, "model.layers.", layer, ".", peft_module(target));
      tensors.emplace_back(stem + ".lora_A.weight", store.master(target + ".a").select(0, layer));
      tensors.emplace_back(stem + ".lora_B.weight", store.master(target + ".b").select(0, layer));
    }
  }
  return tensors;
}

std::string lora_options_of_peft(const std::string& folder) {
  const PeftConfig config = read_peft_config(folder);
  const std::string path = str(folder, "/", kPeftWeightsName);
  if (std::error_code ignored; !std::filesystem::exists(path, ignored)) {
    fail_bad_file(
        {.what = "no adapter weights in the folder",
         .where = folder,
         .expected = std::string(kPeftWeightsName),
         .next_step = "pickled .bin files are never read: save the adapters again with PEFT's save_pretrained"});
  }
  const SafetensorsFile file(path);
  std::set<std::string> targets;
  for (const TensorEntry& entry : file.header().tensors) {
    const char* target = target_of(entry.name);
    if (target == nullptr) {
      fail_bad_file({.what = "adapters of this module are not supported",
                     .where = str(path, ": ", quoted_excerpt(entry.name)),
                     .expected = "low-rank adapters of attention and feed-forward projections"});
    }
    targets.insert(target);
  }
  LoraOptions options;
  options.rank = config.rank;
  options.alpha = config.scale * static_cast<double>(config.rank);
  options.targets.assign(targets.begin(), targets.end());
  return write_options_yaml(options);
}

}  // namespace bt
