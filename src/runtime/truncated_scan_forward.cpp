#include <ATen/ATen.h>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// The cache as it changes along the scan: the entries themselves, and the pool rows they came from.
struct Running {
  at::Tensor k_BGTD, v_BGTD, table_BT, alive_BT;
  std::vector<at::Tensor> pool;  // [rows, 2, G, D] blocks
  int64_t pool_rows = 0;
};

const DepthPlan& depth_of(const ScanState& state, int64_t depth) {
  return state.plan->depths[static_cast<size_t>(depth)];
}

// Every token's own entry goes to its row at once: a later row is invisible until its step has come.
Running start(const ScanState& state, const Qkv& live) {
  const DevicePlan& plan = *state.plan;
  const at::Tensor own_N2GD =
      at::cat({at::stack({state.prompt.k_NGD, state.prompt.v_NGD}, 1), at::stack({live.k_NGD, live.v_NGD}, 1)});
  const int64_t groups = own_N2GD.size(2), width = own_N2GD.size(3);
  const at::Tensor cache =
      own_N2GD.index_select(0, plan.packed_BT.flatten()).view({plan.sequences, plan.rows, 2, groups, width});
  Running running;
  running.k_BGTD = cache.select(2, 0).transpose(1, 2).contiguous();
  running.v_BGTD = cache.select(2, 1).transpose(1, 2).contiguous();
  running.table_BT = plan.packed_BT.clone();
  if (state.effects.evict != nullptr)
    running.alive_BT = at::ones(plan.packed_BT.sizes(), plan.packed_BT.options().dtype(at::kBool));
  running.pool = {own_N2GD};
  running.pool_rows = own_N2GD.size(0);
  return running;
}

KvView view(const ScanState& state, const Running& running, int64_t depth) {
  const DepthPlan& at_depth = depth_of(state, depth);
  const auto rows = [&](const at::Tensor& x, int64_t axis) {
    return x.defined() ? x.narrow(0, 0, at_depth.sequences).narrow(axis, 0, at_depth.rows) : x;
  };
  return {rows(running.k_BGTD, 2), rows(running.v_BGTD, 2), at_depth.rows_B, rows(state.plan->position_BT, 1),
          rows(running.alive_BT, 1)};
}

void rewrite(ScanState& state, Running& running, int64_t depth, const KvView& kv, const EventRows& rows) {
  const at::Tensor* replay = state.replay != nullptr ? &(*state.replay)[static_cast<size_t>(depth)] : nullptr;
  const ChosenRows chosen = choose_rows(*state.effects.rewrite, rows, replay);
  const at::Tensor& rows_EW = chosen.rows_EW;
  const at::Tensor u_EWC = ops::gather_rows(kv, rows_EW);
  const Events events = rewrite_events(*state.plan, depth, state.layer, u_EWC, chosen);
  const Edit edit = edit_of(state, events);
  const at::Tensor change_EWC = change_of(state, edit);
  ops::edit_rows_(kv, rows_EW, u_EWC, change_EWC, at::ones({1}, change_EWC.options().requires_grad(false)));
  state.figures.add(change_EWC, u_EWC, edit.call_YE);
  state.events.push_back({rows_EW, events, state.keeps_activations ? change_EWC : at::Tensor()});

  const int64_t slots = rows_EW.numel(), groups = kv.k_BGTD.size(1), width = kv.k_BGTD.size(3);
  running.pool.push_back(ops::gather_rows(kv, rows_EW).view({slots, 2, groups, width}));
  const auto valid = (rows_EW >= 0).nonzero_numpy();
  const at::Tensor pool_row = at::arange(slots, rows_EW.options()).view(rows_EW.sizes()) + running.pool_rows;
  running.table_BT.index_put_({valid[0], rows_EW.index({valid[0], valid[1]})}, pool_row.index({valid[0], valid[1]}));
  running.pool_rows += slots;
}

void act(ScanState& state, Running& running, int64_t depth, const at::Tensor& q_BSHD, const at::Tensor& lse_BSH) {
  const DepthPlan& at_depth = depth_of(state, depth);
  const KvView whole = view(state, running, depth), kv = event_view(whole, at_depth);
  const at::Tensor mass_ET = event_mass(at_depth, q_BSHD, lse_BSH, whole, state.spec, voters_of(state.effects));
  const EventRows rows = event_rows(*state.plan, depth, kv, mass_ET, state.layer, state.spec.window);
  if (state.effects.rewrite != nullptr) rewrite(state, running, depth, kv, rows);
  if (state.effects.evict != nullptr) kv.alive_BT.copy_(state.effects.evict->keep(rows));
}

}  // namespace

at::Tensor scan_forward(ScanState& state, const Qkv& live) {
  const DevicePlan& plan = *state.plan;
  Running running = start(state, live);
  at::Tensor out_nHD = at::empty_like(live.q_NHD);
  const int64_t depths = static_cast<int64_t>(plan.depths.size());
  for (int64_t depth = 0; depth < depths; ++depth) {
    const DepthPlan& at_depth = depth_of(state, depth);
    at::Tensor q_BSHD, lse_BSH = state.prompt_lse_BSH;
    if (depth == 0) {
      q_BSHD = padded(state.prompt.q_NHD, at_depth);
    } else {
      const int64_t first = at_depth.token_begin - plan.live_begin, count = at_depth.token_end - at_depth.token_begin;
      state.table_BT.push_back(running.table_BT.narrow(0, 0, at_depth.sequences).narrow(1, 0, at_depth.rows).clone());
      if (running.alive_BT.defined()) state.alive_BT.push_back(view(state, running, depth).alive_BT.clone());
      q_BSHD = padded(live.q_NHD.narrow(0, first, count), at_depth);
      const ops::Attended attended =
          ops::segment_attention(q_BSHD, at_depth.query_length_B, view(state, running, depth), state.spec);
      lse_BSH = attended.lse_BSH;
      state.attended.push_back(attended);
      out_nHD.narrow(0, first, count)
          .copy_(attended.out_BSHD.reshape({-1, q_BSHD.size(2), q_BSHD.size(3)}).index_select(0, at_depth.slot_n));
    }
    if (at_depth.events > 0) act(state, running, depth, q_BSHD, lse_BSH);
  }
  state.pool_R2GD = at::cat(running.pool);
  return out_nHD;
}

}  // namespace bt
