// A latent method on disk: processor_config.json (name, options, the decoder it was trained on) beside
// processor.safetensors (its parameters and calibration). One folder is one method, whatever it is.
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
};

// Writes both files atomically, one after the other. ExitCode::io.
void save_method(const std::string& folder, const Method& method, Options& options, const MethodBase& base);

struct SavedMethod {
  std::unique_ptr<Options> options;
  std::unique_ptr<Method> method;
  TriggerOptions trigger;  // when it acts
};

// The method of a folder, ready to run on the backbone. ExitCode::bad_file for a missing or malformed file, an unknown
// method, or a backbone or tokenizer other than the one it was trained on.
SavedMethod load_saved_method(const std::string& folder, const MethodBase& base, c10::TensorOptions options);

// Everything of a method that is saved: parameters, then buffers. The tensors alias the method's.
std::vector<std::pair<std::string, at::Tensor>> saved_tensors(const Method& method);

}  // namespace bt
