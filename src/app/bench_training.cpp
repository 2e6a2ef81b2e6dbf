// Training steps of one batch: plain fine-tuning, and on the frozen decoder the Cache Processor in both orders, or a
// coprocessor.
#include <ATen/ATen.h>

#include "bench.h"
#include "bench_models.h"
#include "bt/optim/adamw.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/step_flops.h"
#include "bt/runtime/teacher_forced.h"

namespace bt {
namespace {

// Forward pass, backward pass and update; everything a step needs lives here.
struct Step {
  Backbone backbone;
  std::unique_ptr<Method> method;
  DevicePlan plan;
  ForwardOptions forward;
  std::unique_ptr<AdamW> optimiser;

  ParameterStore& trained() { return method != nullptr ? *method->parameters() : *backbone.parameters; }
  void run() {
    trained().zero_grad();
    teacher_forced(backbone.decoder, method.get(), plan, forward).loss.backward();
    optimiser->step(1e-6);
  }
};

Variant variant(std::string name, std::shared_ptr<Step> step, const StepFlops& flops) {
  step->forward.loss_scale = 1.0 / static_cast<double>(step->plan.supervised_M.size(0));
  step->optimiser = std::make_unique<AdamW>(ParameterStores{&step->trained()}, AdamWOptions{});
  return {.name = std::move(name),
          .run = [step] { step->run(); },
          .flops = static_cast<double>(flops.total()),
          .tokens = static_cast<double>(step->plan.tokens)};
}

Variant fine_tuning(const BenchSize& size, const c10::TensorOptions& options) {
  auto step = std::make_shared<Step>();
  step->backbone = make_backbone(size.model, options, 1, /*trainable=*/true);
  const Plan plan = make_plan(size.batch, bench_boundaries(size.model), {.kind = "none", .at_prompt_end = false}, {});
  step->plan = to_device(plan, options.device());
  return variant("fine-tuning the decoder", step, sft_flops(size.model, plan));
}

Variant processor(const BenchSize& size, const c10::TensorOptions& options, Order order) {
  auto step = std::make_shared<Step>();
  step->backbone = make_backbone(size.model, options, 1, /*trainable=*/false);
  step->method = make_method("bt", size.processor, {size.model, options, 1});
  const Plan plan = make_plan(size.batch, bench_boundaries(size.model), {}, {});
  step->plan = to_device(plan, options.device());
  step->forward.order = order;
  return variant(order == Order::layer_major ? "processor, layer by layer" : "processor, step by step", step,
                 processor_flops(size.model, plan, size.processor));
}

Variant lora(const BenchSize& size, const c10::TensorOptions& options) {
  auto step = std::make_shared<Step>();
  const LoraOptions adapters;
  step->backbone = make_backbone(size.model, options, 1, /*trainable=*/false);
  step->method = make_method("lora", adapters, {size.model, options, 1});
  const Plan plan = make_plan(size.batch, bench_boundaries(size.model), {.kind = "none", .at_prompt_end = false}, {});
  step->plan = to_device(plan, options.device());
  return variant("LoRA of rank 16", step, lora_flops(size.model, plan, adapters));
}

Variant coprocessor(const BenchSize& size, const c10::TensorOptions& options, const std::string& kind) {
  auto step = std::make_shared<Step>();
  DcaOptions dca = size.coprocessor;
  dca.coprocessor = kind;
  step->backbone = make_backbone(size.model, options, 1, /*trainable=*/false);
  step->method = make_method("dca", dca, {size.model, options, 1});
  step->method->start_from(step->backbone.decoder);
  const Plan plan = training_plan_for(step->method.get(), size.batch, bench_boundaries(size.model), {}, {}, {});
  step->plan = to_device(plan, options.device());
  return variant(kind == "lora" ? "coprocessor, adapters" : "coprocessor, a copy", step,
                 coprocessor_flops(size.model, plan, dca));
}

Bench coprocessor_training() {
  const BenchSize size = plain_text_size();
  return {"train/" + size.name, size.shape, [](const c10::TensorOptions& options) {
            const BenchSize chosen = plain_text_size();
            return std::vector<Variant>{fine_tuning(chosen, options), coprocessor(chosen, options, "copy"),
                                        coprocessor(chosen, options, "lora")};
          }};
}

Bench training(BenchSize (*make_size)()) {
  const BenchSize size = make_size();
  return {"train/" + size.name, size.shape, [make_size](const c10::TensorOptions& options) {
            const BenchSize chosen = make_size();
            return std::vector<Variant>{fine_tuning(chosen, options), processor(chosen, options, Order::layer_major),
                                        processor(chosen, options, Order::step_major), lora(chosen, options)};
          }};
}

}  // namespace

std::vector<Bench> training_benches() {
  return {training(quickstart_size), training(gsm8k_like_size), coprocessor_training()};
}

}  // namespace bt
