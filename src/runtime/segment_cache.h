// One layer's cache under teacher forcing in plain differentiable operators: what step-major training runs on, and
// layer-major training wherever gradients cross boundaries.
#pragma once

#include <ATen/core/Tensor.h>

#include "boundary_event.h"
#include "bt/model/decoder.h"

namespace bt {

class SegmentCache {
 public:
  SegmentCache(const DevicePlan& plan, const Effects& effects, int64_t layer, const Decoder& decoder);

  // Appends the depth's keys and values and attends; out_nHD in packed order.
  at::Tensor attend(int64_t depth, const Qkv& qkv);

  // The event after the depth just attended. `cut`: the cache, the step's own entries included, leaves the graph first.
  // Returns the chosen rows (undefined without a rewrite).
  at::Tensor act(int64_t depth, at::TensorList parameters, bool cut, const at::Tensor* replay_EW);

  // The rows written up to a depth, of the sequences alive there.
  KvView view(int64_t depth) const;

  const RewriteFigures& figures() const { return figures_; }

 private:
  // Edits the chosen entries, in place or as rows of their own; returns which they were.
  at::Tensor edit(const KvView& kv, const EventRows& rows, at::TensorList parameters, const at::Tensor* replay_EW);
  void append(const ChosenRows& chosen, const at::Tensor& position_EW, const at::Tensor& new_EWC);

  const DevicePlan& plan_;
  const Effects& effects_;
  int64_t layer_;
  AttentionSpec spec_;
  int64_t voters_;
  at::Tensor k_BGTD_, v_BGTD_, alive_BT_;  // of the plan's tokens
  KvView appended_;                        // rows in front of them, of the sequences still there; undefined: none
  at::Tensor q_BSHD_, lse_BSH_;            // of the depth just attended
  RewriteFigures figures_;
};

}  // namespace bt
