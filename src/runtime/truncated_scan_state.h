// What the truncated scan keeps between its forward and backward pass.
//
// Entries live in a row pool: first the packed tokens' own, then every rewritten or appended row. A cache is a table of
// pool rows, so that all versions of it can be read at once in the backward pass and none is kept
// (ops::paged_attention_backward).
#pragma once

#include <torch/custom_class.h>

#include <vector>

#include "bt/ops/ops.h"
#include "truncated_scan.h"

namespace bt {

// One boundary event of all sequences at a depth.
struct ScanEvent {
  at::Tensor rows_EW;     // chosen rows
  Events events;          // their entries before the rewrite
  at::Tensor change_EWC;  // what was added to them, with its graph where activations are kept
  at::Tensor landed_EW;   // the rows of the next depth's cache that hold the result
};

struct ScanState : torch::CustomClassHolder {
  const DevicePlan* plan = nullptr;
  Effects effects;
  int64_t layer = 0;
  AttentionSpec spec;
  Qkv prompt;  // detached
  at::Tensor prompt_lse_BSH;
  const std::vector<at::Tensor>* replay = nullptr;
  bool live_needs_grad = false;  // gradients of q, k, v of the live tokens are wanted
  // Kept activations save the backward pass from running the edit again: worth their memory on a CPU. Elsewhere the
  // edit runs again over all events as one batch.
  bool keeps_activations = false;
  std::vector<at::Tensor> leaves;  // the parameters, cut off from the pass's own graph

  std::vector<ScanEvent> events;        // by depth
  std::vector<at::Tensor> table_BT;     // by depth >= 1: pool rows of the cache a live segment attends to
  std::vector<at::Tensor> position_BT;  // likewise
  std::vector<at::Tensor> alive_BT;     // likewise, with eviction or appended rows
  std::vector<int64_t> appended;        // likewise: rows in front of those of the plan's tokens
  std::vector<ops::Attended> attended;  // likewise: what the attention of a depth gave
  at::Tensor pool_P2GD;
  RewriteFigures figures;
};

// Forward without gradients; fills the state. Returns the live tokens' attention output.
at::Tensor scan_forward(ScanState& state, const Qkv& live);

struct ScanGradients {
  at::Tensor q_nHD, k_nGD, v_nGD;  // of the live tokens; undefined when not wanted
  std::vector<at::Tensor> parameters;
};
ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD);

// The rewrites (truncated_scan_edits.cpp).
std::vector<at::Tensor> leaves_of(at::TensorList parameters);
// One boundary's edit; with a graph where activations are kept.
Edit edit_of(const ScanState& state, const Events& events);
at::Tensor change_of(const ScanState& state, const Edit& edit);  // gate * delta, [E, W, C], likewise
// The parameters' gradients, given those of every boundary's changed entries, [E, W, C], or where no graphs are kept
// those of all as one batch. Uses kept graphs up.
std::vector<at::Tensor> edit_gradients(ScanState& state, const std::vector<at::Tensor>& d_change);

// Parts right-padded along `axis` to the widest, then put together along the axis before it.
at::Tensor stack_padded(const std::vector<at::Tensor>& parts, int64_t axis, const at::Scalar& fill);

}  // namespace bt
