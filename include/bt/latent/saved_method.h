// A latent method on disk: processor_config.json (name, options, the decoder it was trained on) beside
// processor.safetensors (its parameters and calibration), or beside a PEFT folder's files for adapters. One folder is
// one method, whatever it is.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "bt/latent/method.h"
#include "bt/options/method_options.h"

namespace bt {

// The backbone that a method belongs to.
struct MethodBase {
  std::string path;  // where its weights came from; written for people, never opened
  const ModelConfig& model;
  std::string tokenizer_sha256;  // Tokenizer::fingerprint()
  std::string weights_sha256;    // weights_fingerprint()
};

// Writes the files atomically, one after the other. ExitCode::io.
void save_method(const std::string& folder, const Method& method, Options& options, const MethodBase& base);

struct SavedMethod {
  std::unique_ptr<Options> options;
  std::unique_ptr<Method> method;
  TriggerOptions trigger;  // when it acts
};

// The method of a folder, ready to run on the backbone, without gradients. ExitCode::bad_file for a missing or
// malformed file, an unknown method, or a backbone or tokenizer other than the one it was trained on; with
// allow_other_base other weights and another tokenizer are a warning. A PEFT folder without processor_config.json is
// `lora`; it does not say what it was trained on, so only shapes are checked.
SavedMethod load_saved_method(const std::string& folder, const MethodBase& base, c10::TensorOptions options,
                              bool allow_other_base = false);

// Everything of a method that is saved: parameters, then buffers. The tensors alias the method's.
std::vector<std::pair<std::string, at::Tensor>> saved_tensors(const Method& method);

}  // namespace bt
