// FLOPs of a training step, counted on a plan's unpadded rows: matrix products alone, 2 per multiply-add. The formulas
// and what they leave out are docs/flops.md. Torch-free.
#pragma once

#include <cstdint>
#include <optional>

#include "bt/data/plan.h"
#include "bt/format/model_config.h"
#include "bt/options/method_options.h"

namespace bt {

struct StepFlops {
  int64_t forward = 0, backward = 0;
  int64_t recomputed = 0;  // done again in the backward pass; not part of the total, as is usual
  int64_t total() const { return forward + backward; }
};

// Training the decoder itself. `plan` may have been cut by any trigger: its segments do not count.
StepFlops sft_flops(const ModelConfig& model, const Plan& plan);
// A Cache Processor (bt, recent_only): on a frozen decoder with bptt_steps: 1, or trained together with it, bptt_steps:
// full.
StepFlops processor_flops(const ModelConfig& model, const Plan& plan, const BtOptions& options);
// Adapters on a frozen decoder; `options.targets` hold at least one of q, k and v.
StepFlops lora_flops(const ModelConfig& model, const Plan& plan, const LoraOptions& options);
// A coprocessor on a frozen decoder; `plan` has branches.
StepFlops coprocessor_flops(const ModelConfig& model, const Plan& plan, const DcaOptions& options);
// By type of the method's options; null: SFT. Empty for a method without a formula.
std::optional<StepFlops> step_flops(const ModelConfig& model, const Plan& plan, const Options* method);

// Rows of one layer that a rewriting method changes at an event; `window` of the layer, 0: none.
int64_t chosen_rows(const PlanEvent& event, const RowChoiceOptions& options, int64_t window);

}  // namespace bt
