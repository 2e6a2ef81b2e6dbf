// adapter_config.json of PEFT, for low-rank adapters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

struct PeftConfig {
  int64_t rank = 0;
  double scale = 0;                         // of the adapters' output: lora_alpha / r, or / sqrt(r) with use_rslora
  std::vector<std::string> target_modules;  // "q_proj"; what is written. Reading leaves it empty: the tensors tell
  std::string base_model;                   // base_model_name_or_path: for people; never opened
};

inline constexpr std::string_view kPeftConfigName = "adapter_config.json";
inline constexpr std::string_view kPeftWeightsName = "adapter_model.safetensors";
// What PEFT puts in front of a module's own name.
inline constexpr std::string_view kPeftPrefix = "base_model.model.";

bool has_peft_config(const std::string& folder);
// As peft 0.17 writes it. Atomic. ExitCode::io.
void write_peft_config(const std::string& folder, const PeftConfig& config);
// ExitCode::bad_file when missing or malformed, for another kind of adapter than LoRA, and, by name, for what changes
// the computation and is not supported here (DoRA, rank_pattern, modules_to_save, biases, ...).
PeftConfig read_peft_config(const std::string& folder);

}  // namespace bt
