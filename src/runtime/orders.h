// The two orders of the teacher-forced pass, and what they share.
#pragma once

#include <vector>

#include "boundary_event.h"
#include "bt/latent/method.h"
#include "bt/runtime/teacher_forced.h"

namespace bt {

// A pass in progress: one decoder, one method, one batch.
struct Pass {
  const Decoder& decoder;
  const Method* method;
  Effects effects;
  const DevicePlan& plan;
  const ForwardOptions& options;

  std::vector<at::Tensor> layer_parameters(int64_t layer) const;  // [1, …] each; empty without parameters
  std::vector<at::Tensor> shared_parameters() const;              // the method's parameters without layers
  // Embeddings of packed tokens [begin, end); ids below 0 are the method's latents: `latents_nC` in packed order where
  // they are computed in the pass, else the known ones.
  at::Tensor inputs_NC(int64_t begin, int64_t end, const at::Tensor& latents_nC = {}) const;
  // The residual stream of packed tokens [begin, …) as it enters a layer.
  at::Tensor steered(const at::Tensor& x_NC, int64_t layer, int64_t begin) const;
  bool cut_at(int64_t boundary) const;  // truncation: is the cache cut from the graph here?
  const at::Tensor* replayed(int64_t layer, int64_t depth) const;
};

// Last-layer hidden states of the supervised tokens, in the order of DevicePlan::supervised_M.
struct Hidden {
  at::Tensor supervised_MC;
  RowTrace rows;
  std::vector<RewriteFigures> figures;  // of every layer
  // Of branches with a gate:
  at::Tensor gate_R;    // its logits, differentiable in the gate
  at::Tensor plain_MC;  // in training: the states that predict the same tokens without latents
};

Hidden layer_major(const Pass& pass);
Hidden step_major(const Pass& pass);
Hidden branch_pass(const Pass& pass);  // of a plan with branches

}  // namespace bt
