#include "bt/train/setup.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/format/load_mode.h"
#include "bt/model/fingerprint.h"
#include "bt/runtime/attention_notice.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/uncertainty.h"

namespace bt {
namespace {

ModelConfig model_config(const ModelOptions& options, const Tokenizer& tokenizer) {
  if (options.from_scratch()) return options.scratch_config(tokenizer);
  return read_model_config(options.path);
}

// A tokenizer may have added tokens that the model was never made larger for; they are no use in a text.
void check_ids(const Dataset& data, int64_t vocab_size) {
  for (const Example& example : data.examples) {
    const auto largest = std::max_element(example.ids.begin(), example.ids.end());
    if (largest == example.ids.end() || *largest < vocab_size) continue;
    fail_bad_file({.what = "an example has a token that the model's vocabulary lacks",
                   .where = str("record ", example.source + 1, " of the data"),
                   .expected = str("0 to ", vocab_size - 1),
                   .found = str(*largest)});
  }
}

void warn_beyond_context(const Dataset& data, int64_t context) {
  const auto is_beyond = [&](const Example& one) { return static_cast<int64_t>(one.ids.size()) > context; };
  const auto beyond = std::count_if(data.examples.begin(), data.examples.end(), is_beyond);
  if (beyond == 0) return;
  log::warning(str(beyond, " of ", data.examples.size(), " examples are longer than the model's context of ", context,
                   " tokens; data.max_tokens limits them"));
}

Backbone open_backbone(const ExperimentOptions& options, const ModelConfig& config, c10::TensorOptions tensors,
                       bool trainable) {
  if (options.model.from_scratch())
    return make_backbone(config, tensors, static_cast<uint64_t>(options.run.seed), trainable);
  if (tensors.device().is_meta())
    return outline_backbone(options.model.path, c10::typeMetaToScalarType(tensors.dtype()), trainable);
  return load_backbone(options.model.path, tensors, trainable, load_mode(options.model.load));
}

void check_precomputed(const TrainingSetup& setup) {
  if (!asks_model(setup.trigger) || setup.trigger.live || !setup.trains_backbone()) return;
  fail_usage({.what = "a backbone in training cannot tell its boundaries beforehand",
              .where = "latent.trigger.boundaries",
              .expected = "live",
              .found = "precomputed",
              .next_step = "or freeze the backbone"});
}

// A method without parameters needs no steps, and only it does.
void check_steps(const TrainingSetup& setup) {
  const bool is_trained = setup.trains_backbone() || setup.method->parameters() != nullptr;
  if (!is_trained || setup.options.train.steps.value_or(1) > 0) return;
  fail_usage({.what = "a run without steps would leave the method untrained",
              .where = "train.steps",
              .expected = "at least 1; 0 is for methods that have nothing to train",
              .found = "0"});
}

// As training texts, but without the end token, which all of them would share.
Dataset load_contrast(const ExperimentOptions& options, const std::string& file, const Tokenizer& tokenizer) {
  DatasetSpec spec = options.data.spec({file});
  spec.add_eos = false;
  return load_dataset(spec, tokenizer);
}

TrainingSetup open_parts(ExperimentOptions experiment, at::Device device) {
  TrainingSetup setup;
  setup.options = std::move(experiment);
  const ExperimentOptions& options = setup.options;
  if (options.run.threads > 0) at::set_num_threads(static_cast<int>(options.run.threads));
  const auto tensor_options = at::TensorOptions().device(device).dtype(scalar_type(options.run.dtype));
  const auto seed = static_cast<uint64_t>(options.run.seed);

  setup.tokenizer = load_tokenizer(options.model.tokenizer_path());
  const ModelConfig config = model_config(options.model, *setup.tokenizer);
  setup.boundaries = BoundaryTable(*setup.tokenizer, config.vocab_size);
  setup.trigger = {.kind = "none", .at_prompt_end = false};
  if (options.latent != nullptr) {
    setup.method = make_method(options.method, *options.latent, {config, tensor_options, seed});
    if (setup.method->effects().any()) setup.trigger = options.trigger();
  }
  check_steps(setup);
  if (setup.trigger.kind != "none") check_trigger(setup.trigger, setup.boundaries);
  check_precomputed(setup);
  setup.train = load_dataset(options.data.spec(options.data.train), *setup.tokenizer);
  if (!options.data.validation.empty())
    setup.validation = load_dataset(options.data.spec(options.data.validation), *setup.tokenizer);
  if (const auto contrast = setup.method != nullptr ? setup.method->contrast() : std::nullopt) {
    setup.positive = load_contrast(options, contrast->positive, *setup.tokenizer);
    setup.negative = load_contrast(options, contrast->negative, *setup.tokenizer);
  }
  for (const Dataset* data : {&setup.train, &setup.validation, &setup.positive, &setup.negative})
    check_ids(*data, config.vocab_size);
  for (const Dataset* data : {&setup.train, &setup.validation}) warn_beyond_context(*data, config.max_position);
  setup.backbone = open_backbone(options, config, tensor_options, setup.trains_backbone());
  if (const std::string notice = attention_notice(setup.decoder()); !notice.empty()) log::warning(notice);
  return setup;
}

}  // namespace

at::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float64") return at::kDouble;
  return dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

at::Device resolve_device(const std::string& name, const std::string& option) {
  const bool has_cuda = at::globalContext().hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
  if (name == "auto") return has_cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  at::Device device(name);
  if (device.is_cpu()) return device;
  if (!device.has_index()) device.set_index(0);
  const int64_t count = has_cuda ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (device.index() >= count) {
    fail_usage({.what = "no such GPU",
                .where = option,
                .expected = count > 0 ? str("cuda:0 to cuda:", count - 1) : "cpu",
                .found = name,
                .next_step = str("set ", option, " to auto or cpu")});
  }
  return device;
}

bool TrainingSetup::trains_backbone() const { return method == nullptr || method->backbone() == BackboneMode::trained; }

ParameterStores TrainingSetup::trained() const {
  ParameterStores stores;
  if (trains_backbone()) stores.push_back(backbone.parameters.get());
  if (method != nullptr && method->parameters() != nullptr) stores.push_back(method->parameters());
  return stores;
}

namespace {

std::vector<int32_t> eos_ids(const TrainingSetup& setup) {
  const std::vector<int64_t>& ids = setup.decoder().config.eos_ids;
  return {ids.begin(), ids.end()};
}

void measure(const TrainingSetup& setup, std::vector<Example>& texts) {
  measure_uncertainty(setup.decoder(), setup.method.get(), setup.boundaries, setup.trigger, eos_ids(setup),
                      setup.options.train.batch_size, texts);
}

// What a trigger asks the frozen backbone about the data does not change in training.
void precompute_uncertainty(TrainingSetup& setup) {
  if (!asks_model(setup.trigger) || setup.trigger.live) return;
  log::info(str("boundaries by ", setup.trigger.kind, " of ",
                setup.train.examples.size() + setup.validation.examples.size(), " texts, by the backbone alone"));
  measure(setup, setup.train.examples);
  measure(setup, setup.validation.examples);
}

}  // namespace

LoaderOptions loader_options(const ExperimentOptions& options) {
  return {.batch_size = options.train.batch_size,
          .seed = static_cast<uint64_t>(options.run.seed),
          .length_window = options.data.length_window};
}

TrainingSetup open_setup(ExperimentOptions options) {
  const at::Device device = resolve_device(options.run.device);
  TrainingSetup setup = open_parts(std::move(options), device);
  if (setup.method != nullptr) setup.method->start_from(setup.decoder());
  if (!setup.trains_backbone()) setup.backbone_sha256 = weights_fingerprint(*setup.backbone.parameters);
  precompute_uncertainty(setup);
  return setup;
}

TrainingSetup outline_setup(ExperimentOptions options) {
  resolve_device(options.run.device);
  return open_parts(std::move(options), at::kMeta);
}

Plan plan_batch(const TrainingSetup& setup, const std::vector<Example>& batch, uint64_t draw) {
  const BranchDraw from{draw == kValidationDraw ? 0 : static_cast<uint64_t>(setup.options.run.seed), draw};
  if (!setup.trigger.live)
    return training_plan_for(setup.method.get(), batch, setup.boundaries, setup.trigger, eos_ids(setup), from);
  std::vector<Example> measured = batch;
  measure(setup, measured);
  return training_plan_for(setup.method.get(), measured, setup.boundaries, setup.trigger, eos_ids(setup), from);
}

}  // namespace bt
