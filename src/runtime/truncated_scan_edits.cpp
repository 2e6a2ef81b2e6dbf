// The rewrites of a truncated scan and their backward pass: through graphs kept from the forward pass, or by running
// the edit again over all events as one batch.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

struct Changes {
  std::vector<at::Tensor> outputs, gradients;
};

// One output per boundary.
Changes kept_changes(ScanState& state, const std::vector<at::Tensor>& d_change) {
  Changes out;
  for (size_t i = 0; i < state.events.size(); ++i) {
    const at::Tensor change_EWC = std::exchange(state.events[i].change_EWC, {});
    out.gradients.push_back(d_change[i].to(change_EWC.scalar_type()));
    out.outputs.push_back(change_EWC);
  }
  state.keeps_activations = false;  // the graphs are used up: another backward pass runs the edit again
  return out;
}

// All boundaries' events as one batch.
Events all_events(const ScanState& state) {
  std::vector<at::Tensor> kinds, entries, positions, masses, sources, ordinals;
  for (const ScanEvent& event : state.events) {
    kinds.push_back(event.events.kind_YEW);
    entries.push_back(event.events.u_YEWC);
    positions.push_back(event.events.position_YEW);
    masses.push_back(event.events.mass_YEW);
    sources.push_back(event.events.source_E);
    ordinals.push_back(event.events.ordinal_E);
  }
  Events all = state.events.front().events;
  all.u_YEWC = stack_padded(entries, 2, 0);
  all.kind_YEW = stack_padded(kinds, 2, static_cast<int64_t>(RowKind::pad));
  all.position_YEW = stack_padded(positions, 2, 0);
  all.mass_YEW = stack_padded(masses, 2, 0);
  all.source_E = at::cat(sources);
  all.ordinal_E = at::cat(ordinals);
  return all;
}

Changes repeated_changes(const ScanState& state, const at::Tensor& d_change_ZWC) {
  const Edit edit = state.effects.edits()->edit(all_events(state), state.leaves);
  const at::Tensor change_ZWC = (edit.gate * edit.delta_YEWC).squeeze(0);
  return {{change_ZWC}, {d_change_ZWC.to(change_ZWC.scalar_type())}};
}

}  // namespace

std::vector<at::Tensor> leaves_of(at::TensorList parameters) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& parameter : parameters) {
    leaves.push_back(parameter.detach().requires_grad_(parameter.requires_grad()));
    leaves.back().set_grad_dtype(parameter.grad_dtype());  // in which the boundaries' gradients are added up
  }
  return leaves;
}

Edit edit_of(const ScanState& state, const Events& events) {
  at::AutoGradMode record(state.keeps_activations);
  return state.effects.edits()->edit(events, state.leaves);
}

at::Tensor change_of(const ScanState& state, const Edit& edit) {
  at::AutoGradMode record(state.keeps_activations);
  return (edit.gate * edit.delta_YEWC).squeeze(0);
}

std::vector<at::Tensor> edit_gradients(ScanState& state, const std::vector<at::Tensor>& d_change) {
  std::vector<at::Tensor> wanted;
  for (const at::Tensor& leaf : state.leaves) {
    if (leaf.requires_grad()) wanted.push_back(leaf);
  }
  std::vector<at::Tensor> out(state.leaves.size());
  if (wanted.empty() || state.events.empty()) return out;
  at::AutoGradMode record(true);
  const Changes changes =
      state.keeps_activations ? kept_changes(state, d_change) : repeated_changes(state, d_change.front());
  const auto gradients = torch::autograd::grad(changes.outputs, wanted, changes.gradients, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0, next = 0; i < out.size(); ++i) {
    if (state.leaves[i].requires_grad()) out[i] = gradients[next++];
  }
  return out;
}

at::Tensor stack_padded(const std::vector<at::Tensor>& parts, int64_t axis, const at::Scalar& fill) {
  int64_t width = 0, count = 0;
  bool is_even = true;
  for (const at::Tensor& part : parts) {
    width = std::max(width, part.size(axis));
    count += part.size(axis - 1);
    is_even = is_even && part.size(axis) == parts.front().size(axis);
  }
  if (is_even) return at::cat(parts, axis - 1);
  std::vector<int64_t> shape = parts.front().sizes().vec();
  shape[static_cast<size_t>(axis)] = width;
  shape[static_cast<size_t>(axis) - 1] = count;
  const at::Tensor out = at::full(shape, fill, parts.front().options());
  for (int64_t begin = 0; const at::Tensor& part : parts) {
    out.narrow(axis - 1, begin, part.size(axis - 1)).narrow(axis, 0, part.size(axis)).copy_(part);
    begin += part.size(axis - 1);
  }
  return out;
}

}  // namespace bt
