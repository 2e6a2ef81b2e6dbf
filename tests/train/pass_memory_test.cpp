// The estimate of a training step's memory against what LibTorch's allocator hands out, on a CPU.
#include "bt/train/pass_memory.h"

#include <gtest/gtest.h>

#include "bt/optim/adamw.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/tensor_memory.h"
#include "bt/train/memory.h"

namespace bt {
namespace {

constexpr int32_t kNewline = 7;

struct StepShape {
  const char* name;
  int64_t layers = 3, width = 48, inner = 132, heads = 4, groups = 2, head_dim = 12, vocabulary = 211;
  bool tied = true, frozen = true, keeps = true, ragged = false;
  int64_t batch = 6, prompt = 40, steps = 4, step_tokens = 19;
  int64_t recall = 8, recent = 16, processor_width = 24, feed_forward = 40;
  double cap = 0;      // of scores and of logits
  int64_t window = 0;  // of every other layer
  at::ScalarType dtype = at::kFloat;
  friend void PrintTo(const StepShape& shape, std::ostream* out) { *out << shape.name; }
};

ModelConfig model_of(const StepShape& shape) {
  ModelConfig model = parse_model_config(Json::object({{"model_type", "llama"},
                                                       {"vocab_size", shape.vocabulary},
                                                       {"hidden_size", shape.width},
                                                       {"intermediate_size", shape.inner},
                                                       {"num_hidden_layers", shape.layers},
                                                       {"num_attention_heads", shape.heads},
                                                       {"num_key_value_heads", shape.groups},
                                                       {"head_dim", shape.head_dim},
                                                       {"max_position_embeddings", 4096},
                                                       {"tie_word_embeddings", shape.tied}}),
                                         "test");
  model.attention_softcap = model.logit_softcap = shape.cap;
  for (size_t layer = 0; layer < model.window.size(); layer += 2) model.window[layer] = shape.window;
  return model;
}

BtOptions processor_of(const StepShape& shape) {
  BtOptions options;
  options.rows.recall = shape.recall;
  options.rows.recent = shape.recent;
  options.width = shape.processor_width;
  options.heads = 2;
  options.feed_forward = shape.feed_forward;
  return options;
}

// A prompt, then steps that end with a newline, the last one without; ragged: of different numbers and lengths.
std::vector<Example> batch_of(const StepShape& shape) {
  std::vector<Example> batch;
  for (int64_t i = 0; i < shape.batch; ++i) {
    Example example{.prompt_length = shape.prompt + (shape.ragged ? 3 * i : 0), .source = i};
    const int64_t steps = shape.steps - (shape.ragged ? i % 3 : 0);
    const int64_t length = example.prompt_length + steps * shape.step_tokens;
    for (int64_t t = 0; t < length; ++t) {
      const bool ends = t >= example.prompt_length && (t - example.prompt_length + 1) % shape.step_tokens == 0;
      example.ids.push_back(ends && t + 1 < length ? kNewline : static_cast<int32_t>(9 + t % 100));
      example.supervised.push_back(t >= example.prompt_length ? 1 : 0);
    }
    batch.push_back(std::move(example));
  }
  return batch;
}

struct Step {
  Backbone backbone;
  std::unique_ptr<Method> method;
  BtOptions processor;
  DevicePlan plan;

  explicit Step(const StepShape& shape) : processor(processor_of(shape)) {
    const ModelConfig model = model_of(shape);
    const c10::TensorOptions options(shape.dtype);
    backbone = make_backbone(model, options, 1, !shape.frozen);
    if (shape.frozen) method = make_method("bt", processor, {model, options, 1});
    const std::vector<int32_t> newlines{kNewline};
    plan = to_device(
        plan_for(method.get(), batch_of(shape), BoundaryTable::from_ids(shape.vocabulary, newlines), {}, {}), at::kCPU);
  }
  ParameterStore& trained() { return method != nullptr ? *method->parameters() : *backbone.parameters; }
};

// What a trainer does in a step, its state included.
TensorMemory measured(const StepShape& shape) {
  return tensor_memory([&] {
    Step step(shape);
    AdamW optimiser({&step.trained()}, {});
    const Forward forward = teacher_forced(step.backbone.decoder, step.method.get(), step.plan,
                                           {.keep_activations = shape.keeps, .loss_scale = 0.01});
    forward.loss.backward();
    clip_gradient_({&step.trained()}, gradient_norm({&step.trained()}), 1);
    optimiser.step(1e-3);
  });
}

MemoryClasses estimated(const StepShape& shape) {
  Step step(shape);
  const int64_t of_method = step.method != nullptr ? step.method->parameters()->count() : 0;
  const auto bytes = static_cast<int64_t>(c10::elementSize(shape.dtype));
  const PassShape pass{.element_bytes = bytes,
                       .trains_backbone = !shape.frozen,
                       .keeps_activations = shape.keeps,
                       .processor = shape.frozen ? &step.processor : nullptr,
                       .method_parameters = of_method};
  return estimate_memory({.backbone_parameters = step.backbone.parameters->count(),
                          .method_parameters = of_method,
                          .trained_parameters = step.trained().count(),
                          .element_bytes = bytes,
                          .pass = pass_memory(step.backbone.decoder, step.plan, pass)});
}

class PassMemoryOf : public testing::TestWithParam<StepShape> {};

TEST_P(PassMemoryOf, EstimateIsWithinTenPercentOfThePeak) {
  const auto peak = static_cast<double>(measured(GetParam()).peak);
  const MemoryClasses classes = estimated(GetParam());
  const double ratio = static_cast<double>(total_bytes(classes)) / peak;
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_NEAR(ratio, 1, 0.1) << memory_text(classes) << " against " << bytes_text(static_cast<int64_t>(peak));
}

const StepShape kShapes[] = {
    {.name = "sft", .frozen = false},
    {.name = "sft_fp64", .frozen = false, .dtype = at::kDouble},
    {.name = "sft_ragged", .frozen = false, .ragged = true, .batch = 9},
    {.name = "sft_untied_wide_vocabulary", .vocabulary = 3001, .tied = false, .frozen = false, .batch = 3},
    {.name = "sft_tied_wide_vocabulary", .layers = 2, .vocabulary = 3001, .frozen = false, .batch = 3},
    {.name = "sft_wide_and_short", .layers = 5, .width = 96, .inner = 256, .frozen = false, .batch = 2, .prompt = 9},
    {.name = "bt"},
    {.name = "bt_fp64", .dtype = at::kDouble},
    {.name = "bt_recomputed", .keeps = false},
    {.name = "bt_recomputed_fp64", .keeps = false, .dtype = at::kDouble},
    {.name = "bt_ragged", .ragged = true, .batch = 9},
    {.name = "bt_ragged_recomputed", .keeps = false, .ragged = true, .batch = 9},
    {.name = "bt_long_prompt", .prompt = 300, .steps = 2},
    {.name = "bt_long_prompt_recomputed", .keeps = false, .prompt = 300, .steps = 2},
    {.name = "bt_many_layers", .layers = 8, .batch = 3},
    {.name = "bt_many_layers_recomputed", .layers = 8, .keeps = false, .batch = 3},
    {.name = "bt_wide_processor", .recall = 32, .recent = 24, .processor_width = 64, .feed_forward = 200},
    {.name = "bt_wide_vocabulary", .layers = 2, .vocabulary = 20000, .batch = 4, .prompt = 20},
    {.name = "sft_capped", .frozen = false, .cap = 30},
    {.name = "bt_capped", .cap = 30},
    {.name = "bt_capped_recomputed", .keeps = false, .cap = 30},
    {.name = "bt_capped_long_prompt_recomputed", .keeps = false, .prompt = 300, .steps = 2, .cap = 30},
    {.name = "bt_capped_wide_vocabulary", .layers = 2, .vocabulary = 20000, .batch = 4, .prompt = 20, .cap = 30},
    {.name = "sft_window", .layers = 4, .frozen = false, .window = 30},
    {.name = "bt_window", .layers = 4, .window = 30},
    {.name = "bt_window_long_prompt_recomputed", .layers = 4, .keeps = false, .prompt = 300, .steps = 2, .window = 30},
    {.name = "sft_capped_bf16", .frozen = false, .cap = 30, .dtype = at::kBFloat16},
    {.name = "bt_capped_wide_vocabulary_bf16",
     .layers = 2,
     .vocabulary = 20000,
     .batch = 4,
     .prompt = 20,
     .cap = 30,
     .dtype = at::kBFloat16},
    {.name = "sft_bf16", .frozen = false, .dtype = at::kBFloat16},
    {.name = "sft_ragged_bf16", .frozen = false, .ragged = true, .batch = 9, .dtype = at::kBFloat16},
    {.name = "sft_untied_wide_vocabulary_bf16",
     .vocabulary = 3001,
     .tied = false,
     .frozen = false,
     .batch = 3,
     .dtype = at::kBFloat16},
    {.name = "bt_bf16", .dtype = at::kBFloat16},
    {.name = "bt_recomputed_bf16", .keeps = false, .dtype = at::kBFloat16},
    {.name = "bt_ragged_bf16", .ragged = true, .batch = 9, .dtype = at::kBFloat16},
    {.name = "bt_long_prompt_recomputed_bf16", .keeps = false, .prompt = 300, .steps = 2, .dtype = at::kBFloat16},
    {.name = "bt_many_layers_bf16", .layers = 8, .batch = 3, .dtype = at::kBFloat16},
    {.name = "bt_wide_processor_bf16",
     .recall = 32,
     .recent = 24,
     .processor_width = 64,
     .feed_forward = 200,
     .dtype = at::kBFloat16},
    {.name = "bt_wide_vocabulary_bf16",
     .layers = 2,
     .vocabulary = 20000,
     .batch = 4,
     .prompt = 20,
     .dtype = at::kBFloat16},
};

INSTANTIATE_TEST_SUITE_P(Shapes, PassMemoryOf, testing::ValuesIn(kShapes),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace bt
