// What the truncated scan keeps between its forward and backward pass.
//
// Entries live in a row pool: first the packed tokens' own, then every rewritten row. A cache is a table of pool rows, so
// that all versions of it can be read at once in the backward pass without a copy of the cache per step.
#pragma once

#include <vector>

#include <torch/custom_class.h>

#include "truncated_scan.h"

namespace bt {

// One boundary event of all sequences at a depth.
struct ScanEvent {
  at::Tensor rows_EW, kind_EW;  // chosen rows
  at::Tensor u_EWC;             // entries before the rewrite
};

struct ScanState : torch::CustomClassHolder {
  const DevicePlan* plan = nullptr;
  Effects effects;
  int64_t layer = 0;
  AttentionSpec spec;
  Qkv prompt;                            // detached
  at::Tensor prompt_lse_BSH;
  const std::vector<at::Tensor>* replay = nullptr;
  bool live_needs_grad = false;          // gradients of q, k, v of the live tokens are wanted

  std::vector<ScanEvent> events;         // by depth
  std::vector<at::Tensor> table_BT;      // by depth >= 1: pool rows of the cache a live segment attends to
  std::vector<at::Tensor> alive_BT;      // likewise, with eviction
  at::Tensor pool_R2GD;
  RewriteSize size;
};

// Forward without gradients; fills the state. Returns the live tokens' attention output.
at::Tensor scan_forward(ScanState& state, const Qkv& live, at::TensorList parameters);

struct ScanGradients {
  at::Tensor q_nHD, k_nGD, v_nGD;        // of the live tokens; undefined when not wanted
  std::vector<at::Tensor> parameters;
};
ScanGradients scan_backward(const ScanState& state, const at::Tensor& q_nHD, at::TensorList parameters, const at::Tensor& d_out_nHD);

}  // namespace bt
