// The rewrites of a truncated scan and their backward pass: through graphs kept from the forward pass, or by running the
// edit again over all events as one batch.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

struct Changes {
  std::vector<at::Tensor> outputs, gradients;
};

// One output per boundary; segment g continues after event g, so that boundaries are runs of events.
Changes kept_changes(ScanState& state, const KvView& d_kv) {
  Changes out;
  int64_t begin = 0;
  for (ScanEvent& event : state.events) {
    const int64_t count = event.rows_EW.size(0);
    const KvView of_boundary{d_kv.k_BGTD.narrow(0, begin, count), d_kv.v_BGTD.narrow(0, begin, count), {}, {}, {}};
    begin += count;
    out.gradients.push_back(ops::gather_rows(of_boundary, event.rows_EW).to(event.change_EWC.scalar_type()));
    out.outputs.push_back(std::exchange(event.change_EWC, {}));
  }
  state.keeps_activations = false;  // the graphs are used up: another backward pass runs the edit again
  return out;
}

// All events as one batch, [1, Z, W, …].
Events all_events(const ScanState& state, const at::Tensor& rows_ZW) {
  const LiveSegments& live = state.plan->live;
  std::vector<at::Tensor> kinds, entries;
  for (const ScanEvent& event : state.events) {
    kinds.push_back(event.kind_EW);
    entries.push_back(event.u_EWC);
  }
  Events all;
  all.layer_begin = state.layer;
  all.layer_end = state.layer + 1;
  all.u_YEWC = stack_padded(entries, rows_ZW.size(1), 0).unsqueeze(0);
  all.kind_YEW = stack_padded(kinds, rows_ZW.size(1), 0).unsqueeze(0);
  all.position_YEW = live.position_ZT.gather(1, rows_ZW.clamp_min(0)).unsqueeze(0);
  all.source_E = state.plan->source_B.index_select(0, live.sequence_Z);
  all.ordinal_E = live.ordinal_Z;
  return all;
}

Changes repeated_changes(const ScanState& state, const KvView& d_kv) {
  int64_t width = 0;
  std::vector<at::Tensor> rows;
  for (const ScanEvent& event : state.events) {
    width = std::max(width, event.rows_EW.size(1));
    rows.push_back(event.rows_EW);
  }
  const at::Tensor rows_ZW = stack_padded(rows, width, -1);
  const Edit edit = state.effects.rewrite->edit(all_events(state, rows_ZW), state.leaves);
  const at::Tensor change_ZWC = (edit.gate * edit.delta_YEWC).squeeze(0);
  return {{change_ZWC}, {ops::gather_rows(d_kv, rows_ZW).to(change_ZWC.scalar_type())}};
}

}  // namespace

std::vector<at::Tensor> leaves_of(at::TensorList parameters) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& parameter : parameters) leaves.push_back(parameter.detach().requires_grad_(parameter.requires_grad()));
  return leaves;
}

at::Tensor change_of(const ScanState& state, const Events& events) {
  at::AutoGradMode record(state.keeps_activations);
  const Edit edit = state.effects.rewrite->edit(events, state.leaves);
  return (edit.gate * edit.delta_YEWC).squeeze(0);
}

std::vector<at::Tensor> edit_gradients(ScanState& state, const KvView& d_kv) {
  std::vector<at::Tensor> wanted;
  for (const at::Tensor& leaf : state.leaves) {
    if (leaf.requires_grad()) wanted.push_back(leaf);
  }
  std::vector<at::Tensor> out(state.leaves.size());
  if (wanted.empty()) return out;
  at::AutoGradMode record(true);
  const Changes changes = state.keeps_activations ? kept_changes(state, d_kv) : repeated_changes(state, d_kv);
  const auto gradients = torch::autograd::grad(changes.outputs, wanted, changes.gradients, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0, next = 0; i < out.size(); ++i) {
    if (state.leaves[i].requires_grad()) out[i] = gradients[next++];
  }
  return out;
}

at::Tensor stack_padded(const std::vector<at::Tensor>& parts, int64_t width, const at::Scalar& fill) {
  std::vector<at::Tensor> padded;
  for (const at::Tensor& part : parts) {
    std::vector<int64_t> pad(static_cast<size_t>(2 * (part.dim() - 1)), 0);
    pad.back() = width - part.size(1);
    padded.push_back(at::constant_pad_nd(part, pad, fill));
  }
  return at::cat(padded);
}

}  // namespace bt
