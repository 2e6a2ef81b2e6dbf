// The scan over steps of one layer with truncation at every boundary (bptt_steps: 1), as one autograd node; nothing in
// its backward pass is sequential (ForwardOptions::keep_activations).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "boundary_event.h"
#include "bt/model/decoder.h"

namespace bt {

struct TruncatedScan {
  at::Tensor out_nHD;            // of the live tokens, packed
  std::vector<at::Tensor> rows;  // chosen at every depth
  RewriteFigures figures;
};

// `prompt` (depth 0; its gradient is cut by the first boundary) with the log-sum-exp of its padded attention, `live`
// (all later tokens) and the layer's parameters, [1, …] each. `replay`: rows per depth, or null.
TruncatedScan truncated_scan(const DevicePlan& plan, const Effects& effects, int64_t layer, const AttentionSpec& spec,
                             const Qkv& prompt, const at::Tensor& prompt_lse_BSH, const Qkv& live,
                             at::TensorList parameters, const std::vector<at::Tensor>* replay, bool keep_activations);

}  // namespace bt
