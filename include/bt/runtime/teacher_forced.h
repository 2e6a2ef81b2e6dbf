// The training engine: one forward pass over given text in which every boundary event acts, in two exact orders.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/runtime/device_plan.h"

namespace bt {

enum class Order { layer_major, step_major };

// The rows chosen at the events of one layer after one depth: [events, W], -1 where padded.
using RowTrace = std::vector<std::vector<at::Tensor>>;  // [layer][depth]

struct ForwardOptions {
  Order order = Order::layer_major;
  // Chunked truncation: the cache is cut from the graph at boundaries 0, n, 2n, …; 0: never (full).
  int64_t bptt_steps = 1;
  // With bptt_steps 1 and layer_major: keep a method's activations and go backward depth by depth, faster on a CPU; or
  // run its edits again and treat all steps of a layer as one batch, with less memory and fewer calls. Unset: kept on a
  // CPU.
  std::optional<bool> keep_activations;
  double loss_scale = 1.0;           // the loss is loss_scale * sum of the supervised tokens' negative log-likelihoods
  bool record_rows = false;          // fill Forward::rows
  const RowTrace* replay = nullptr;  // choose these rows instead of selecting
  bool keep_logits = false;          // fill Forward::logits_MV
  bool keep_entropy = false;         // fill Forward::entropy_M
};

struct Forward {
  // Scalar, at least fp32, differentiable. Its gradient includes what calls cost (Events::call_weight), its value does
  // not.
  at::Tensor loss;
  at::Tensor nll_M;           // per supervised token, no gradient
  at::Tensor correct_M;       // bool: the greedy token is the target
  at::Tensor logits_MV;       // with keep_logits
  at::Tensor entropy_M;       // with keep_entropy: of the predictions, nats
  RowTrace rows;              // with record_rows
  at::Tensor open_R;          // bool, of branches with a gate: it would let the method be called
  at::Tensor rewrite_size_L;  // fp64: |delta| / |u| over the chosen entries of the pass (RMS)
  at::Tensor call_rate_L;     // fp64, where calls are learned: mean probability with which events act
};

// The plan must outlive the loss and its graph; a steering method needs one of plan_for (runtime/method_plan.h).
// Branches have their latents whatever a gate says; with gradients the loss holds the gate's own (docs/architecture.md,
// "A gate over calls"). A plan with branches has an order of its own; without a method that appends, its predictions
// are made by the decoder alone, from the text without latents. A method whose latents come from the cache, on a plan
// without, is scored step-major, without gradient.
Forward teacher_forced(const Decoder& decoder, const Method* method, const DevicePlan& plan,
                       const ForwardOptions& options);

}  // namespace bt
