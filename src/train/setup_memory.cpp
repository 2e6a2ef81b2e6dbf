// The memory of a run as its setup describes it, before or after anything has been allocated.
#include <algorithm>

#include "bt/runtime/attention_notice.h"
#include "bt/runtime/method_plan.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

struct LargestBatch {
  int64_t size = -1;
  std::vector<Example> batch;
  void offer(int64_t other_size, const std::vector<Example>& other) {
    if (other_size <= size) return;
    size = other_size;
    batch = other;
  }
};

// Which of them takes more depends on the method.
std::vector<std::vector<Example>> largest_batches(const TrainingSetup& setup) {
  const int64_t size = setup.options.train.batch_size, examples = static_cast<int64_t>(setup.train.examples.size());
  Loader loader(setup.train.examples, loader_options(setup.options));
  LargestBatch of_tokens, of_padded;
  for (int64_t begin = 0; begin < examples; begin += size) {
    const std::vector<Example> batch = loader.next();
    int64_t tokens = 0, longest = 0;
    for (const Example& example : batch) {
      tokens += static_cast<int64_t>(example.ids.size());
      longest = std::max(longest, static_cast<int64_t>(example.ids.size()));
    }
    of_tokens.offer(tokens, batch);
    of_padded.offer(longest, batch);
  }
  return {of_tokens.batch, of_padded.batch};
}

Plan outlined_plan(const TrainingSetup& setup, const std::vector<Example>& batch) {
  if (!asks_model(setup.trigger)) return plan_batch(setup, batch, kValidationDraw);
  TriggerOptions trigger = setup.trigger;
  trigger.kind = "newline";
  const std::vector<int64_t>& eos = setup.decoder().config.eos_ids;
  return training_plan_for(setup.method.get(), batch, setup.boundaries, trigger, {eos.begin(), eos.end()},
                           {.draw = kValidationDraw});
}

int64_t count_of(const ParameterStore* store) { return store != nullptr ? store->count() : 0; }

const ParameterStore* parameters_of(const Method* method) { return method != nullptr ? method->parameters() : nullptr; }

// A run can be described where the device has no room for it, not even for a number.
bool has_attention_kernel(const TrainingSetup& setup, at::Device device) {
  if (device.is_cpu()) return false;
  try {
    const at::TensorOptions options = at::TensorOptions(device).dtype(setup.decoder().embedding.scalar_type());
    return attention_has_kernel(setup.decoder().config, options);
  } catch (const c10::Error&) {
    return false;
  }
}

PassShape pass_shape(const TrainingSetup& setup) {
  const Method* method = setup.method.get();
  const TrainOptions& train = setup.options.train;
  const at::Device device = resolve_device(setup.options.run.device);
  const bool on_cpu = device.is_cpu();
  return {
      .element_bytes = static_cast<int64_t>(setup.decoder().embedding.element_size()),
      .on_cpu = on_cpu,
      .has_attention_kernel = has_attention_kernel(setup, device),
      .records = !setup.trained().empty(),
      .trains_backbone = setup.trains_backbone(),
      .has_adapters = method != nullptr && method->backbone() == BackboneMode::adapters,
      .truncates = train.order == "layer_major" && train.boundaries_per_graph() == 1 && !appends_recurrently(method),
      .keeps_activations = on_cpu,
      .processor = dynamic_cast<const BtOptions*>(setup.options.latent.get()),
      .method_parameters = count_of(parameters_of(method))};
}

}  // namespace

MemoryClasses training_memory(const TrainingSetup& setup) {
  const PassShape shape = pass_shape(setup);
  PassMemory pass;
  for (const std::vector<Example>& batch : largest_batches(setup))
    pass = larger(pass, pass_memory(setup.decoder(), to_device(outlined_plan(setup, batch), at::kCPU), shape));
  int64_t trained = 0;
  for (const ParameterStore* store : setup.trained()) trained += store->count();
  return estimate_memory({.backbone_parameters = setup.backbone.parameters->count(),
                          .method_parameters = shape.method_parameters,
                          .trained_parameters = trained,
                          .element_bytes = shape.element_bytes,
                          .pass = pass});
}

}  // namespace bt
