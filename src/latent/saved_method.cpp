#include "bt/latent/saved_method.h"

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/format/peft_config.h"
#include "bt/format/processor_config.h"
#include "bt/model/named_tensors.h"
#include "peft_tensors.h"

namespace bt {
namespace {

constexpr const char* kWeightsName = "/processor.safetensors";

// What a person wrote in a config is a usage error; in a saved file it is a bad file.
template <class Action>
auto as_bad_file(const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.code() != ExitCode::usage) throw;
    throw Error(ExitCode::bad_file, error.problem());
  }
}

std::unique_ptr<Options> read_saved_options(const ProcessorConfig& config, const std::string& source) {
  std::unique_ptr<Options> options = make_method_options(config.method);
  if (options == nullptr) {
    fail_bad_file({.what = "unknown latent method",
                   .where = source,
                   .expected = join(method_names(), ", "),
                   .found = config.method,
                   .next_step = "open the plug-in that holds the method: run.plugins, --plugins"});
  }
  as_bad_file([&] { read_options(parse_yaml(config.options, source), *options); });
  return options;
}

// What the folder says about its method, and whether it may run on this backbone.
ProcessorConfig open_config(const std::string& folder, const MethodBase& base, bool allow_other_base) {
  const std::string path = (std::filesystem::path(folder) / kProcessorConfigName).string();
  if (!std::filesystem::exists(path) && has_peft_config(folder)) {
    log::info(str(folder, ": adapters made by PEFT; they do not say for which weights, only shapes are checked"));
    return {.method = "lora", .options = lora_options_of_peft(folder), .base_model = {}, .base = {}};
  }
  ProcessorConfig config = read_processor_config(folder);
  check_base(config.base, base_shape(base.model, base.tokenizer_sha256, base.weights_sha256), folder, allow_other_base);
  return config;
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> saved_tensors(const Method& method) {
  NamedTensors tensors;
  if (const ParameterStore* parameters = method.parameters()) tensors = parameters->named();
  for (auto& buffer : const_cast<Method&>(method).buffers()) tensors.push_back(std::move(buffer));
  return tensors;
}

void Method::save_weights(const std::string& folder, const std::string&) const {
  save_tensors(folder + kWeightsName, saved_tensors(*this), {{"format", "pt"}});
}

void Method::load_weights(const std::string& folder) {
  load_tensors(folder + kWeightsName, saved_tensors(*this));
  if (parameters() != nullptr) parameters()->refresh();
}

void save_method(const std::string& folder, const Method& method, Options& options, const MethodBase& base) {
  method.save_weights(folder, base.path);
  write_processor_config(folder, {.method = std::string(method.name()),
                                  .options = write_options_yaml(options),
                                  .base_model = base.path,
                                  .base = base_shape(base.model, base.tokenizer_sha256, base.weights_sha256)});
}

SavedMethod load_saved_method(const std::string& folder, const MethodBase& base, c10::TensorOptions options,
                              bool allow_other_base) {
  const ProcessorConfig config = open_config(folder, base, allow_other_base);
  SavedMethod saved;
  saved.options = read_saved_options(config, str(folder, "/", kProcessorConfigName, ": options"));
  const auto load = [&](const c10::TensorOptions& tensors) {
    auto method = as_bad_file([&] {
      return make_method(config.method, *saved.options, {base.model, tensors, 0, /*trainable=*/false});
    });
    method->load_weights(folder);
    return method;
  };
  load(options.device(at::kMeta));  // compares sizes with the file before memory is taken for them
  saved.method = load(options);
  if (ParameterStore* parameters = saved.method->parameters()) parameters->set_trainable(false);
  const auto* shared = dynamic_cast<const MethodOptions*>(saved.options.get());
  saved.trigger =
      shared != nullptr ? shared->resolved_trigger() : TriggerOptions{.kind = "none", .at_prompt_end = false};
  return saved;
}

}  // namespace bt
