#include "bt/eval/inference_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/format/load_mode.h"
#include "bt/latent/plugin.h"
#include "bt/latent/rewrite_control.h"
#include "bt/model/fingerprint.h"
#include "bt/options/train_options.h"
#include "bt/runtime/attention_notice.h"
#include "bt/runtime/method_plan.h"
#include "bt/text/chat_template.h"
#include "bt/train/setup.h"
#include "inference_memory.h"

namespace bt {
namespace {

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

ChatForm open_chat(const ModelPlace& place, const Tokenizer& tokenizer) {
  ChatForm chat = place.chat;
  if (chat.name == "none") return chat;
  if (chat.name == "auto") {
    chat.name = recognised_chat_template(place.model);
    log::info("chat template: " + chat.name);
  }
  chat_ids(tokenizer, chat.name, chat.system, "");  // refuses what does not fit, before weights are read
  return chat;
}

void open_method(InferenceModel& model, const ModelPlace& place) {
  model.trigger = {.kind = "none", .at_prompt_end = false};
  model.rewrite_control = place.rewrite_control;
  if (place.latent.empty()) return;
  const MethodBase base{model.path, model.decoder().config, model.tokenizer->fingerprint(),
                        weights_fingerprint(*model.backbone.parameters)};
  model.latent = load_saved_method(place.latent, base, model.decoder().options(), place.allow_other_backbone);
  if (place.rewrite_control != "none") {
    log::warning(str("control: the method's changes are replaced (", place.rewrite_control, ")"));
    model.latent.method = with_rewrite_control(std::move(model.latent.method), place.rewrite_control);
  }
  if (!model.method()->effects().any()) return;
  model.trigger = model.latent.trigger;
  check_trigger(model.trigger, model.boundaries);
}

// A tokenizer may have added tokens that the model was never made larger for; they are no use in a text.
void check_ids(const std::vector<int32_t>& ids, const InferenceModel& model) {
  const int64_t vocab_size = model.boundaries.vocab_size();
  const auto beyond = std::find_if(ids.begin(), ids.end(), [&](int32_t id) { return id >= vocab_size; });
  if (beyond == ids.end()) return;
  fail_bad_file({.what = "the text has a token that the model's vocabulary lacks",
                 .where = model.path,
                 .expected = str("0 to ", vocab_size - 1),
                 .found = str(*beyond, ", ", quoted_excerpt(model.tokenizer->decode({&*beyond, 1})))});
}

InferenceModel opened(const ModelPlace& place) {
  for (const std::string& plugin : place.plugins) open_plugin(plugin);
  if (place.threads > 0) at::set_num_threads(static_cast<int>(place.threads));
  const auto options =
      at::TensorOptions().device(resolve_device(place.device, "--device")).dtype(scalar_type(place.dtype));
  InferenceModel model;
  model.path = place.model;
  model.latent_path = place.latent;
  model.tokenizer = load_tokenizer(place.model);
  model.chat = open_chat(place, *model.tokenizer);
  model.training = find_training_text(place);
  model.backbone = load_backbone(place.model, options, false, load_mode(place.load));
  const ModelConfig& config = model.decoder().config;
  model.boundaries = BoundaryTable(*model.tokenizer, config.vocab_size);
  for (const int64_t id : config.eos_ids) model.eos_ids.push_back(static_cast<int32_t>(id));
  open_method(model, place);
  if (const std::string notice = attention_notice(model.decoder()); !notice.empty()) log::warning(notice);
  return model;
}

}  // namespace

std::string InferenceModel::dtype_name() const {
  const at::ScalarType type = decoder().embedding.scalar_type();
  if (type == at::kDouble) return "float64";
  return type == at::kBFloat16 ? "bfloat16" : "float32";
}

std::string InferenceModel::device_name() const { return decoder().embedding.device().str(); }

std::vector<int32_t> InferenceModel::encode(std::string_view text) const {
  std::vector<int32_t> ids = tokenizer->encode(text, training == nullptr);
  if (training != nullptr && training->add_bos && tokenizer->bos_id()) ids.insert(ids.begin(), *tokenizer->bos_id());
  check_ids(ids, *this);
  return ids;
}

std::vector<int32_t> InferenceModel::encode_prompt(std::string_view text) const {
  if (chat.name == "none") return encode(text);
  std::vector<int32_t> ids = chat_ids(*tokenizer, chat.name, chat.system, text);
  check_ids(ids, *this);
  return ids;
}

int64_t InferenceModel::latent_rows(int64_t prompt_tokens, int64_t new_tokens) const {
  return most_added_rows(method(), trigger, prompt_tokens, new_tokens);
}

InferenceModel open_inference_model(const ModelPlace& place) {
  InferenceModel model;
  within_memory(
      place.device, inference_remedies(), [&] { return loading_memory(place); }, [&] { model = opened(place); });
  return model;
}

}  // namespace bt
