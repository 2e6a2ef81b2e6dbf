#include "bt/eval/inference_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <filesystem>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/options/train_options.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

at::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float64") return at::kDouble;
  return dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

// What a run wrote beside its model; null where there is nothing.
std::unique_ptr<TrainingText> read_training_text(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder) / "config.resolved.yaml";
  std::error_code ignored;
  if (folder.empty() || !std::filesystem::is_regular_file(path, ignored)) return nullptr;
  try {
    const ConfigNode config = parse_yaml_file(path.string());
    const ConfigNode* data = config.find("data");
    if (data == nullptr) return nullptr;
    DataOptions options;
    read_options(*data, options);
    return std::make_unique<TrainingText>(TrainingText{options.prompt, options.add_bos, options.strip_calculator});
  } catch (const Error& error) {
    throw Error(ExitCode::bad_file, error.problem());  // a saved file, not the user's config
  }
}

// The method's run saw the model last: its texts count.
std::unique_ptr<TrainingText> find_training_text(const ModelPlace& place) {
  auto of_model = read_training_text(place.model), of_method = read_training_text(place.latent);
  if (of_model && of_method && of_model->prompt_template != of_method->prompt_template) {
    log::warning(str("model and method were trained with different prompts; the method's is used: ",
                     quoted_excerpt(of_method->prompt_template)));
  }
  return of_method ? std::move(of_method) : std::move(of_model);
}

void open_method(InferenceModel& model, const std::string& folder) {
  model.trigger = {.kind = "none", .at_prompt_end = false};
  if (folder.empty()) return;
  model.latent = load_saved_method(folder, {model.path, model.decoder().config, model.tokenizer->fingerprint()},
                                   model.decoder().options());
  if (!model.method()->effects().any()) return;
  model.trigger = model.latent.trigger;
  check_trigger(model.trigger, model.boundaries);
}

void check_vocabulary(const Tokenizer& tokenizer, const ModelConfig& config, const std::string& folder) {
  if (tokenizer.vocab_size() <= config.vocab_size) return;
  fail_bad_file({.what = "the tokenizer has more entries than the model's vocabulary",
                 .where = folder,
                 .expected = str("at most ", config.vocab_size),
                 .found = str(tokenizer.vocab_size())});
}

}  // namespace

std::string InferenceModel::dtype_name() const {
  const at::ScalarType type = decoder().embedding.scalar_type();
  if (type == at::kDouble) return "float64";
  return type == at::kBFloat16 ? "bfloat16" : "float32";
}

std::string InferenceModel::device_name() const { return decoder().embedding.device().str(); }

std::vector<int32_t> InferenceModel::encode(std::string_view text) const {
  if (training == nullptr) return tokenizer->encode(text, true);
  std::vector<int32_t> ids = tokenizer->encode(text);
  if (training->add_bos && tokenizer->bos_id()) ids.insert(ids.begin(), *tokenizer->bos_id());
  return ids;
}

int64_t InferenceModel::latent_rows(int64_t prompt_tokens, int64_t new_tokens) const {
  const Append* append = method() != nullptr ? method()->effects().append : nullptr;
  if (append == nullptr) return 0;
  int64_t calls = new_tokens + 1 + (trigger.inside_prompt ? prompt_tokens : 0);
  if (trigger.kind == "every_n") calls = calls / trigger.every_n + 2;
  if (trigger.max_calls > 0) calls = std::min(calls, trigger.max_calls);
  return checked_mul(calls, append->count(), "cache rows of the latents");
}

InferenceModel open_inference_model(const ModelPlace& place) {
  if (place.threads > 0) at::set_num_threads(static_cast<int>(place.threads));
  const auto options =
      at::TensorOptions().device(resolve_device(place.device, "--device")).dtype(scalar_type(place.dtype));
  InferenceModel model;
  model.path = place.model;
  model.latent_path = place.latent;
  model.tokenizer = load_tokenizer(place.model);
  model.boundaries = BoundaryTable(*model.tokenizer);
  model.training = find_training_text(place);
  model.backbone = load_backbone(place.model, options, false);
  const ModelConfig& config = model.decoder().config;
  check_vocabulary(*model.tokenizer, config, place.model);
  for (const int64_t id : config.eos_ids) model.eos_ids.push_back(static_cast<int32_t>(id));
  open_method(model, place.latent);
  return model;
}

}  // namespace bt
