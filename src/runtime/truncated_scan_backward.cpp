#include <ATen/ATen.h>

#include <limits>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// Segments of one depth, or of all depths side by side: their queries and what these attended to.
struct Segments {
  ops::PagedKv kv;  // alive undefined without eviction
  at::Tensor q_BSHD, d_out_BSHD, query_length_B;
  ops::Attended attended;
  at::Tensor wanted_BW;  // cached rows whose gradients go on: those that an event wrote, then the segment's own
};

// Gradients of the live tokens' queries, of their keys and values, and of what the events wrote: an event each, or all
// of them as one batch.
struct LiveGradients {
  at::Tensor q_nHD, own_n2GD;
  std::vector<at::Tensor> change;
};

// A depth's part of the live tokens.
at::Tensor part(const ScanState& state, const DepthPlan& depth, const at::Tensor& x_nHD) {
  return x_nHD.narrow(0, depth.token_begin - state.plan->live_begin, depth.token_end - depth.token_begin);
}

// rows_B: what the caches hold, rows without a token of the plan included.
at::Tensor own_rows(const DepthPlan& segments, const at::Tensor& rows_B) {
  if (rows_B.is_same(segments.rows_B)) return segments.own_row_BS;
  const at::Tensor& row_BS = segments.own_row_BS;
  return at::where(row_BS >= 0, row_BS + (rows_B - segments.rows_B).unsqueeze(1), -1);
}

// Every segment continues after an event of the depth before.
at::Tensor wanted_rows(const ScanState& state, const DepthPlan& segments, const at::Tensor& rows_B,
                       const at::Tensor& landed_BW) {
  std::vector<at::Tensor> wanted;
  if (landed_BW.defined()) wanted.push_back(landed_BW);
  if (state.live_needs_grad) wanted.push_back(own_rows(segments, rows_B));
  return wanted.size() == 1 ? wanted.front() : at::cat(wanted, 1);
}

Segments of_depth(const ScanState& state, size_t depth, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const DepthPlan& at_depth = state.plan->depths[depth];
  const int64_t appended = state.appended[depth - 1];
  const at::Tensor rows_B = appended > 0 ? at_depth.rows_B + appended : at_depth.rows_B;
  const at::Tensor landed_BW = state.events.empty() ? at::Tensor() : state.events[depth - 1].landed_EW;
  return {.kv = {.pool_P2GD = state.pool_P2GD,
                 .table_BT = state.table_BT[depth - 1],
                 .length_B = rows_B,
                 .position_BT = state.position_BT[depth - 1],
                 .alive_BT = state.alive_BT.empty() ? at::Tensor() : state.alive_BT[depth - 1]},
          .q_BSHD = padded(part(state, at_depth, q_nHD), at_depth),
          .d_out_BSHD = padded(part(state, at_depth, d_out_nHD), at_depth),
          .query_length_B = at_depth.query_length_B,
          .attended = state.attended[depth - 1],
          .wanted_BW = wanted_rows(state, at_depth, rows_B, landed_BW)};
}

// Padded to the longest segment and the longest cache of any depth.
Segments of_all_depths(const ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  constexpr double blind = -std::numeric_limits<double>::infinity();
  const DevicePlan& plan = *state.plan;
  const DepthPlan& live = plan.live;
  const bool has_appended = state.appended.back() > 0;
  std::vector<at::Tensor> outs, lses, landed, rows;
  for (const ops::Attended& attended : state.attended) {
    outs.push_back(attended.out_BSHD);
    lses.push_back(attended.lse_BSH);
  }
  for (const ScanEvent& event : state.events) landed.push_back(event.landed_EW);
  for (size_t i = 0; has_appended && i < state.appended.size(); ++i)
    rows.push_back(plan.depths[i + 1].rows_B + state.appended[i]);
  const at::Tensor rows_B = has_appended ? at::cat(rows) : live.rows_B;
  const at::Tensor position_BT = has_appended
                                     ? stack_padded(state.position_BT, 1, 0)
                                     : plan.position_BT.narrow(1, 0, live.rows).index_select(0, plan.live_sequence_B);
  return {.kv = {.pool_P2GD = state.pool_P2GD,
                 .table_BT = stack_padded(state.table_BT, 1, 0),
                 .length_B = rows_B,
                 .position_BT = position_BT,
                 .alive_BT = state.alive_BT.empty() ? at::Tensor() : stack_padded(state.alive_BT, 1, false)},
          .q_BSHD = padded(q_nHD, live),
          .d_out_BSHD = padded(d_out_nHD, live),
          .query_length_B = live.query_length_B,
          .attended = {stack_padded(outs, 1, 0), stack_padded(lses, 1, blind)},
          .wanted_BW = wanted_rows(state, live, rows_B, landed.empty() ? at::Tensor() : stack_padded(landed, 1, -1))};
}

LiveGradients gradients_of(const ScanState& state, const DepthPlan& plan, const Segments& s) {
  const ops::PagedGradients d = ops::paged_attention_backward(s.d_out_BSHD, s.q_BSHD, s.query_length_B, s.kv,
                                                              s.wanted_BW, state.spec, s.attended);
  const int64_t own = state.live_needs_grad ? plan.width : 0, landed = s.wanted_BW.size(1) - own;
  LiveGradients out;
  if (state.effects.edits() != nullptr) out.change = {d.rows_BWC.narrow(1, 0, landed)};
  if (!state.live_needs_grad) return out;
  out.q_nHD = d.q_BSHD.flatten(0, 1).index_select(0, plan.slot_n);
  out.own_n2GD = d.rows_BWC.narrow(1, landed, own)
                     .flatten(0, 1)
                     .index_select(0, plan.slot_n)
                     .unflatten(1, state.pool_P2GD.sizes().slice(1));
  return out;
}

LiveGradients by_depth(const ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  std::vector<at::Tensor> q, own;
  LiveGradients out;
  for (size_t depth = 1; depth < state.plan->depths.size(); ++depth) {
    const LiveGradients one = gradients_of(state, state.plan->depths[depth], of_depth(state, depth, q_nHD, d_out_nHD));
    out.change.insert(out.change.end(), one.change.begin(), one.change.end());
    q.push_back(one.q_nHD);
    own.push_back(one.own_n2GD);
  }
  if (!state.live_needs_grad) return out;
  out.q_nHD = at::cat(q);
  out.own_n2GD = at::cat(own);
  return out;
}

}  // namespace

// With kept activations each depth as a batch of its own, else all as one.
ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const LiveGradients d = state.keeps_activations
                              ? by_depth(state, q_nHD, d_out_nHD)
                              : gradients_of(state, state.plan->live, of_all_depths(state, q_nHD, d_out_nHD));
  ScanGradients out;
  out.parameters.resize(state.leaves.size());
  if (state.live_needs_grad) {
    const auto as_input = [&](const at::Tensor& x) { return x.to(q_nHD.scalar_type()).contiguous(); };
    out.q_nHD = as_input(d.q_nHD);
    out.k_nGD = as_input(d.own_n2GD.select(1, 0));
    out.v_nGD = as_input(d.own_n2GD.select(1, 1));
  }
  if (state.effects.edits() != nullptr) out.parameters = edit_gradients(state, d.change);
  return out;
}

}  // namespace bt
