// Training steps of one batch: plain fine-tuning, and on the frozen decoder adapters, the Cache Processor, or a
// coprocessor. What is trained is made as bt-train makes it.
#include <ATen/ATen.h>

#include "bench.h"
#include "bench_models.h"
#include "bt/core/strings.h"
#include "bt/optim/adamw.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/step_flops.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/tensor_memory.h"

namespace bt {
namespace {

// A decoder that is not trained, shared by the methods on it.
using Frozen = std::shared_ptr<const Backbone>;

Frozen frozen(const BenchSize& size, const c10::TensorOptions& options) {
  return std::make_shared<Backbone>(make_backbone(size.model, options, 1, /*trainable=*/false));
}

// Forward pass, backward pass and update; everything a step needs lives here.
struct Step {
  std::shared_ptr<const Backbone> backbone;
  std::unique_ptr<Method> method;
  DevicePlan plan;
  ForwardOptions forward;
  std::unique_ptr<AdamW> optimiser;

  ParameterStore& trained() { return method != nullptr ? *method->parameters() : *backbone->parameters; }
  void run() {
    trained().zero_grad();
    teacher_forced(backbone->decoder, method.get(), plan, forward).loss.backward();
    optimiser->step(1e-6);
  }
};

// `fill` makes the step, but for the optimiser, and says what it computes.
Variant variant(std::string name, const std::function<StepFlops(Step&)>& fill) {
  auto step = std::make_shared<Step>();
  StepFlops flops;
  const TensorMemory made = tensor_memory([&] {
    flops = fill(*step);
    step->optimiser = std::make_unique<AdamW>(ParameterStores{&step->trained()}, AdamWOptions{});
  });
  step->forward.loss_scale = 1.0 / static_cast<double>(step->plan.supervised_M.size(0));
  const auto shared = step->method != nullptr ? static_cast<int64_t>(step->backbone->parameters->flat().nbytes()) : 0;
  return {.name = std::move(name),
          .run = [step] { step->run(); },
          .flops = static_cast<double>(flops.total()),
          .tokens = static_cast<double>(step->plan.tokens),
          .held = static_cast<double>(made.left + shared)};
}

Plan uncut_plan(const BenchSize& size) {
  return make_plan(size.batch, bench_boundaries(size.model), {.kind = "none", .at_prompt_end = false}, {});
}

Variant fine_tuning(const BenchSize& size, const c10::TensorOptions& options) {
  return variant("fine-tuning the decoder", [&](Step& step) {
    const Plan plan = uncut_plan(size);
    step.backbone = std::make_shared<Backbone>(make_backbone(size.model, options, 1, /*trainable=*/true));
    step.plan = to_device(plan, options.device());
    return sft_flops(size.model, plan);
  });
}

Variant processor(std::string name, const BenchSize& size, const BtOptions& bt, const Frozen& backbone, Order order) {
  return variant(std::move(name), [&](Step& step) {
    const Plan plan = make_plan(size.batch, bench_boundaries(size.model), {}, {});
    step.backbone = backbone;
    step.method = make_method("bt", bt, {size.model, backbone->decoder.options(), 1});
    step.plan = to_device(plan, backbone->decoder.embedding.device());
    step.forward.order = order;
    return processor_flops(size.model, plan, bt);
  });
}

Variant lora(const BenchSize& size, const Frozen& backbone) {
  return variant("LoRA of rank 16", [&](Step& step) {
    const LoraOptions adapters;
    const Plan plan = uncut_plan(size);
    step.backbone = backbone;
    step.method = make_method("lora", adapters, {size.model, backbone->decoder.options(), 1});
    step.plan = to_device(plan, backbone->decoder.embedding.device());
    return lora_flops(size.model, plan, adapters);
  });
}

Variant coprocessor(const BenchSize& size, const Frozen& backbone, const std::string& kind) {
  return variant(kind == "lora" ? "coprocessor, adapters" : "coprocessor, a copy", [&](Step& step) {
    DcaOptions dca = size.coprocessor;
    dca.coprocessor = kind;
    step.backbone = backbone;
    step.method = make_method("dca", dca, {size.model, backbone->decoder.options(), 1});
    step.method->start_from(backbone->decoder);
    const Plan plan = training_plan_for(step.method.get(), size.batch, bench_boundaries(size.model), {}, {}, {});
    step.plan = to_device(plan, backbone->decoder.embedding.device());
    return coprocessor_flops(size.model, plan, dca);
  });
}

Bench coprocessor_training() {
  const BenchSize size = plain_text_size();
  return {"train/" + size.name, size.shape, [size](const c10::TensorOptions& options) {
            const Frozen backbone = frozen(size, options);
            return std::vector<Variant>{fine_tuning(size, options), coprocessor(size, backbone, "copy"),
                                        coprocessor(size, backbone, "lora")};
          }};
}

Bench training(const BenchSize& size) {
  return {"train/" + size.name, size.shape, [size](const c10::TensorOptions& options) {
            const Frozen backbone = frozen(size, options);
            const BtOptions& bt = size.processor;
            return std::vector<Variant>{fine_tuning(size, options),
                                        processor("processor, layer by layer", size, bt, backbone, Order::layer_major),
                                        processor("processor, step by step", size, bt, backbone, Order::step_major),
                                        lora(size, backbone)};
          }};
}

// The same with processors of several sizes, in the faster order alone.
Bench training_of_rows(const BenchSize& size) {
  return {"train/" + size.name, size.shape, [size](const c10::TensorOptions& options) {
            const Frozen backbone = frozen(size, options);
            std::vector<Variant> all = {fine_tuning(size, options), lora(size, backbone)};
            for (const auto& [recall, recent] : {std::pair(32, 25), std::pair(64, 25), std::pair(32, 64)}) {
              BtOptions bt = size.processor;
              bt.rows.recall = recall;
              bt.rows.recent = recent;
              bt.rows.window = recent > size.step_tokens ? "recent" : "step";
              all.push_back(processor(str("processor, ", recall, " + ", recent, " rows"), size, bt, backbone,
                                      Order::layer_major));
            }
            return all;
          }};
}

}  // namespace

std::vector<Bench> training_benches(BenchScale scale) {
  if (scale == BenchScale::small)
    return {training(quickstart_size()), training(gsm8k_like_size()), coprocessor_training()};
  return {training_of_rows(llama_1b_size(16, false)), training_of_rows(llama_1b_size(64, false)),
          training_of_rows(llama_1b_size(16, true)), training_of_rows(llama_1b_size(64, true))};
}

}  // namespace bt
