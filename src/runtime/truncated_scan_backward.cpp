#include <ATen/ATen.h>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// The cache that the segments of a depth attended to.
KvView cache_at(const ScanState& state, size_t depth) {
  const DepthPlan& at_depth = state.plan->depths[depth];
  const int64_t groups = state.pool_R2GD.size(2), width = state.pool_R2GD.size(3);
  const at::Tensor cache = state.pool_R2GD.index_select(0, state.table_BT[depth - 1].flatten())
                               .view({at_depth.sequences, at_depth.rows, 2, groups, width});
  return {cache.select(2, 0).transpose(1, 2), cache.select(2, 1).transpose(1, 2), at_depth.rows_B,
          state.plan->position_BT.narrow(0, 0, at_depth.sequences).narrow(1, 0, at_depth.rows),
          state.alive_BT.empty() ? at::Tensor() : state.alive_BT[depth - 1]};
}

// A depth's part of the live tokens.
at::Tensor part(const ScanState& state, const DepthPlan& depth, const at::Tensor& x_nHD) {
  return x_nHD.narrow(0, depth.token_begin - state.plan->live_begin, depth.token_end - depth.token_begin);
}

// Gradients of the depth's own queries, keys and values.
void add_own(const ScanState& state, const DepthPlan& depth, const ops::AttentionGradients& d, ScanGradients& out) {
  const c10::List<std::optional<at::Tensor>> own{depth.sequence_n, std::nullopt, depth.row_n};
  const int64_t heads = d.q_BSHD.size(2), width = d.q_BSHD.size(3);
  part(state, depth, out.q_nHD).copy_(d.q_BSHD.reshape({-1, heads, width}).index_select(0, depth.slot_n));
  part(state, depth, out.k_nGD).copy_(d.k_BGTD.index(own));
  part(state, depth, out.v_nGD).copy_(d.v_BGTD.index(own));
}

}  // namespace

ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const std::vector<DepthPlan>& depths = state.plan->depths;
  ScanGradients out;
  out.parameters.resize(state.leaves.size());
  if (state.live_needs_grad) {
    out.q_nHD = at::zeros_like(q_nHD);
    out.k_nGD = at::zeros({q_nHD.size(0), state.pool_R2GD.size(2), state.pool_R2GD.size(3)}, q_nHD.options());
    out.v_nGD = at::zeros_like(out.k_nGD);
  }
  std::vector<at::Tensor> d_change(state.events.size());
  for (size_t depth = 1; depth < depths.size(); ++depth) {
    const DepthPlan& at_depth = depths[depth];
    if (at_depth.width == 0) continue;
    const ops::AttentionGradients d = ops::segment_attention_backward(
        padded(part(state, at_depth, d_out_nHD), at_depth), padded(part(state, at_depth, q_nHD), at_depth),
        at_depth.query_length_B, cache_at(state, depth), state.spec, state.attended[depth - 1]);
    if (state.effects.rewrite != nullptr) {  // every segment of this depth continues after an event of the one before
      d_change[depth - 1] = ops::gather_rows({d.k_BGTD, d.v_BGTD, {}, {}, {}}, state.events[depth - 1].rows_EW);
    }
    if (state.live_needs_grad) add_own(state, at_depth, d, out);
  }
  if (state.effects.rewrite != nullptr) out.parameters = edit_gradients(state, d_change);
  return out;
}

}  // namespace bt
