// processor_config.json: what a saved latent method is, and the shape of the decoder it was trained on. It stands
// beside the method's *.safetensors, as adapter_config.json does for PEFT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bt/format/model_config.h"

namespace bt {

// A decoder as a latent method sees it: what must be equal for its weights to fit and its meaning to hold.
struct BaseShape {
  std::string model_type;
  int64_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0, hidden_size = 0, vocab_size = 0;
  std::string rope_type;
  double rope_theta = 0;
  std::string tokenizer_sha256;  // Tokenizer::fingerprint()
};

BaseShape base_shape(const ModelConfig& model, std::string_view tokenizer_sha256);

struct ProcessorConfig {
  std::string method;      // registry name, "bt"
  std::string options;     // the method's resolved options, YAML text
  std::string base_model;  // base_model_name_or_path: where the decoder came from, for people; never opened
  BaseShape base;
};

inline constexpr std::string_view kProcessorConfigName = "processor_config.json";

// Atomic. ExitCode::io.
void write_processor_config(const std::string& folder, const ProcessorConfig& config);

// ExitCode::bad_file when missing, malformed or of a newer format_version.
ProcessorConfig read_processor_config(const std::string& folder);

// Refuses another decoder with ExitCode::bad_file; the message lists every value that differs. `where` names the saved
// method.
void check_base_shape(const BaseShape& trained_on, const BaseShape& attached_to, std::string_view where);

}  // namespace bt
