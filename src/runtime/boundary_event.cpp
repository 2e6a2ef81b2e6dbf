#include "boundary_event.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "bt/ops/ops.h"

namespace bt {

int64_t voters_of(const Effects& effects) {
  int64_t voters = 0;
  if (effects.edits() != nullptr) voters = std::max(voters, effects.edits()->recent_capacity());
  if (effects.evict != nullptr) voters = std::max(voters, effects.evict->voters());
  return voters;
}

KvView event_view(const KvView& kv, const DepthPlan& depth) {
  const auto first = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, 0, depth.events) : x; };
  const at::Tensor length_E = first(kv.length_B);
  return {first(kv.k_BGTD), first(kv.v_BGTD), depth.behind_E.defined() ? length_E - depth.behind_E : length_E,
          first(kv.position_BT), first(kv.alive_BT)};
}

EventRows event_rows(const DevicePlan& plan, int64_t depth, const KvView& kv, const at::Tensor& mass_ET, int64_t layer,
                     int64_t window) {
  const DepthPlan& at_depth = plan.depths[static_cast<size_t>(depth)];
  const int64_t events = at_depth.events;
  EventRows rows;
  rows.mass_ET = mass_ET;
  rows.k_BGTD = kv.k_BGTD.narrow(0, 0, events).detach();
  rows.rows_E = kv.length_B;
  const int64_t appended = kv.position_BT.size(1) - at_depth.rows;
  rows.step_begin_E = appended > 0 ? at_depth.step_begin_E + appended : at_depth.step_begin_E;
  rows.position_ET = kv.position_BT.narrow(0, 0, events);
  if (kv.alive_BT.defined()) rows.alive_ET = kv.alive_BT.narrow(0, 0, events);
  rows.source_E = plan.source_B.narrow(0, 0, events);
  rows.ordinal_E = at_depth.ordinal_E;
  rows.layer = layer;
  rows.window = window;
  for (size_t e = 0; e < at_depth.host_event_rows_E.size(); ++e) {
    const int64_t own = at_depth.host_event_rows_E[e];
    rows.bounds_E.push_back({own + appended, own - at_depth.host_step_begin_E[e]});
  }
  return rows;
}

at::Tensor event_mass(const DepthPlan& depth, const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const KvView& kv,
                      const AttentionSpec& spec, int64_t voters) {
  const int64_t events = depth.events;
  const at::Tensor length_E = depth.query_length_B.narrow(0, 0, events);
  return ops::attention_mass(q_BSHD.detach().narrow(0, 0, events), lse_BSH.narrow(0, 0, events),
                             depth.behind_E.defined() ? length_E - depth.behind_E : length_E,
                             depth.step_rows_E.clamp_max(voters), event_view(kv, depth), spec);
}

ChosenRows choose_rows(const Rewrite& rewrite, const EventRows& events, const at::Tensor* replay_EW) {
  at::NoGradGuard no_grad;
  if (replay_EW == nullptr) return rewrite.choose(events);
  const auto kind = [](RowKind k) { return static_cast<int64_t>(k); };
  const at::Tensor recent =
      *replay_EW >= (events.rows_E - rewrite.recent_capacity()).maximum(events.step_begin_E).unsqueeze(1);
  return {*replay_EW, at::where(recent, kind(RowKind::recent), kind(RowKind::recalled))
                          .masked_fill(*replay_EW < 0, kind(RowKind::pad))
                          .to(at::kChar)};
}

Events rewrite_events(const EventRows& rows, const at::Tensor& u_EWC, const ChosenRows& chosen, double call_weight) {
  const at::Tensor row_EW = chosen.rows_EW.clamp_min(0);
  Events out;
  out.layer_begin = rows.layer;
  out.layer_end = rows.layer + 1;
  out.u_YEWC = u_EWC.unsqueeze(0);
  out.position_YEW = rows.position_ET.gather(1, row_EW).unsqueeze(0);
  out.kind_YEW = chosen.kind_EW.unsqueeze(0);
  out.mass_YEW = rows.mass_ET.gather(1, row_EW).unsqueeze(0);
  out.source_E = rows.source_E;
  out.ordinal_E = rows.ordinal_E;
  out.call_weight = call_weight;
  return out;
}

KvView entries_of(const at::Tensor& x_EWC, int64_t groups) {
  const at::Tensor x_EW2GD = x_EWC.view({x_EWC.size(0), x_EWC.size(1), 2, groups, x_EWC.size(2) / (2 * groups)});
  return {x_EW2GD.select(2, 0).transpose(1, 2), x_EW2GD.select(2, 1).transpose(1, 2), {}, {}, {}};
}

void RewriteFigures::add(const at::Tensor& change, const at::Tensor& u, const at::Tensor& call_YE) {
  changes_.push_back(change.detach());
  entries_.push_back(u.detach());
  if (call_YE.defined()) calls_.push_back(call_YE.detach().flatten());
}

void RewriteFigures::settle() {
  const auto add_squares = [](at::Tensor& sum, std::vector<at::Tensor>& parts) {
    if (parts.empty()) return;
    // A GPU would first copy everything to fp64; sums in fp32 are exact enough for a figure.
    const bool narrow = parts[0].is_cuda() && parts[0].scalar_type() != at::kDouble;
    const std::vector<at::Tensor> norms =
        at::_foreach_norm(std::exchange(parts, {}), 2, narrow ? at::kFloat : at::kDouble);
    const at::Tensor own = at::stack(norms).to(at::kDouble).square().sum();
    sum = sum.defined() ? sum + own : own;
  };
  add_squares(change_, changes_);
  add_squares(entry_, entries_);
}

at::Tensor RewriteFigures::size() const {
  return entry_.defined() ? at::where(entry_ > 0, (change_ / entry_).sqrt(), 0) : entry_;
}

at::Tensor RewriteFigures::call_rate() const {
  return calls_.empty() ? at::Tensor() : at::cat(calls_).to(at::kDouble).mean();
}

}  // namespace bt
