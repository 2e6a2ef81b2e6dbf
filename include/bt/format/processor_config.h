// processor_config.json: what a saved latent method is, and the decoder it was trained on. It stands beside the weights
// of the method, as adapter_config.json does for PEFT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bt/format/model_config.h"

namespace bt {

// A decoder as a latent method sees it: the shape, without which its weights do not fit, and the identity, without
// which they mean nothing.
struct BaseShape {
  std::string model_type;
  int64_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0, hidden_size = 0, vocab_size = 0;
  std::string rope_type;
  double rope_theta = 0;
  std::string tokenizer_sha256;  // Tokenizer::fingerprint()
  std::string weights_sha256;    // weights_fingerprint() of bt/model/fingerprint.h
};

BaseShape base_shape(const ModelConfig& model, std::string_view tokenizer_sha256, std::string_view weights_sha256);

struct ProcessorConfig {
  std::string method;      // registry name, "bt"
  std::string options;     // the method's resolved options, YAML text; an object in the file
  std::string base_model;  // base_model_name_or_path: where the decoder came from, for people; never opened
  BaseShape base;
};

inline constexpr std::string_view kProcessorConfigName = "processor_config.json";

// Atomic. ExitCode::io.
void write_processor_config(const std::string& folder, const ProcessorConfig& config);

// ExitCode::bad_file when missing, malformed or of another format_version.
ProcessorConfig read_processor_config(const std::string& folder);

// Refuses another decoder with ExitCode::bad_file; the message lists every value that differs. `where` names the saved
// method. With allow_other, other weights or another tokenizer are a warning; another shape never is.
void check_base(const BaseShape& trained_on, const BaseShape& attached_to, std::string_view where,
                bool allow_other = false);

}  // namespace bt
