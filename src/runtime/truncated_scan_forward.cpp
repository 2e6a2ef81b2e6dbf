#include <ATen/ATen.h>

#include <utility>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// The cache as it changes along the scan: the entries themselves, and the pool rows they came from.
struct Running {
  at::Tensor k_BGTD, v_BGTD, position_BT, alive_BT;
  at::Tensor table_BT;           // behind a spare column, where entries without a row go
  int64_t appended = 0;          // rows in front of those of the plan's tokens
  at::Tensor one;                // [1], in at least fp32
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
  running.table_BT = at::constant_pad_nd(plan.packed_BT, {1, 0});
  running.position_BT = plan.position_BT;
  if (state.effects.evict != nullptr || state.effects.append_rows != nullptr)
    running.alive_BT = at::ones(plan.packed_BT.sizes(), plan.packed_BT.options().dtype(at::kBool));
  running.pool = {own_N2GD};
  running.pool_rows = own_N2GD.size(0);
  return running;
}

KvView view(const ScanState& state, const Running& running, int64_t depth) {
  const DepthPlan& at_depth = depth_of(state, depth);
  const auto rows = [&](const at::Tensor& x, int64_t axis) {
    return x.defined() ? x.narrow(0, 0, at_depth.sequences).narrow(axis, 0, running.appended + at_depth.rows) : x;
  };
  const at::Tensor length_B = running.appended > 0 ? at_depth.rows_B + running.appended : at_depth.rows_B;
  return {rows(running.k_BGTD, 2), rows(running.v_BGTD, 2), length_B, rows(running.position_BT, 1),
          rows(running.alive_BT, 1)};
}

// The cache that a live segment attends to, for the backward pass.
void keep_version(ScanState& state, const Running& running, const KvView& kv) {
  const int64_t sequences = kv.position_BT.size(0), rows = kv.position_BT.size(1);
  state.table_BT.push_back(running.table_BT.narrow(0, 0, sequences).narrow(1, 1, rows).clone());
  state.position_BT.push_back(kv.position_BT);
  if (kv.alive_BT.defined()) state.alive_BT.push_back(kv.alive_BT.clone());
  state.appended.push_back(running.appended);
}

// New rows enter the pool; returns their places there, [E, W].
at::Tensor pool(Running& running, const at::Tensor& new_EWC, int64_t groups) {
  const int64_t events = new_EWC.size(0), slots = new_EWC.size(1);
  running.pool.push_back(new_EWC.view({events * slots, 2, groups, new_EWC.size(2) / (2 * groups)}));
  const int64_t begin = std::exchange(running.pool_rows, running.pool_rows + events * slots);
  return at::arange(begin, running.pool_rows, running.table_BT.options()).view({events, slots});
}

at::Tensor put(Running& running, const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& u_EWC,
               const at::Tensor& change_EWC) {
  if (!running.one.defined()) running.one = at::ones({1}, change_EWC.options().requires_grad(false));
  ops::edit_rows_(kv, rows_EW, u_EWC, change_EWC, running.one);
  const at::Tensor place_EW = pool(running, ops::gather_rows(kv, rows_EW), kv.k_BGTD.size(1));
  running.table_BT.narrow(0, 0, rows_EW.size(0)).scatter_(1, rows_EW + 1, place_EW);
  return rows_EW;
}

// Behind the rows appended before, in front of the tokens' own. Sequences without an event get dead rows.
at::Tensor append(Running& running, const at::Tensor& rows_EW, const at::Tensor& position_EW,
                  const at::Tensor& new_EWC) {
  const KvView entries = entries_of(new_EWC, running.k_BGTD.size(1));
  const at::Tensor place_EW = pool(running, new_EWC, running.k_BGTD.size(1));
  const int64_t before = running.appended, slots = rows_EW.size(1);
  const auto grow = [&](at::Tensor& x, const at::Tensor& own, int64_t axis, int64_t spare = 0) {
    const int64_t front = before + spare;
    std::vector<int64_t> shape = own.sizes().vec();
    shape[0] = x.size(0);
    at::Tensor all = at::zeros(shape, x.options());
    all.narrow(0, 0, own.size(0)).copy_(own);
    x = at::cat({x.narrow(axis, 0, front), all, x.narrow(axis, front, x.size(axis) - front)}, axis);
  };
  grow(running.k_BGTD, entries.k_BGTD, 2);
  grow(running.v_BGTD, entries.v_BGTD, 2);
  grow(running.table_BT, place_EW, 1, /*spare=*/1);
  grow(running.position_BT, position_EW, 1);
  grow(running.alive_BT, rows_EW >= 0, 1);
  running.appended += slots;
  return at::where(rows_EW >= 0, at::arange(slots, rows_EW.options()) + before, -1);
}

void edit(ScanState& state, Running& running, int64_t depth, const KvView& kv, const EventRows& rows) {
  const at::Tensor* replay = state.replay != nullptr ? &(*state.replay)[static_cast<size_t>(depth)] : nullptr;
  const ChosenRows chosen = choose_rows(*state.effects.edits(), rows, replay);
  const at::Tensor& rows_EW = chosen.rows_EW;
  const at::Tensor u_EWC = ops::gather_rows(kv, rows_EW);
  const Events events = rewrite_events(rows, u_EWC, chosen, state.plan->call_weight);
  const Edit edited = edit_of(state, events);
  const at::Tensor change_EWC = change_of(state, edited), detached_EWC = change_EWC.detach();
  state.figures.add(change_EWC, u_EWC, edited.call_YE);
  const at::Tensor landed_EW =
      state.effects.append_rows != nullptr
          ? append(running, rows_EW, events.position_YEW.squeeze(0), (u_EWC + detached_EWC).to(u_EWC.scalar_type()))
          : put(running, kv, rows_EW, u_EWC, detached_EWC);
  state.events.push_back({rows_EW, events, state.keeps_activations ? change_EWC : at::Tensor(), landed_EW});
}

void act(ScanState& state, Running& running, int64_t depth, const at::Tensor& q_BSHD, const at::Tensor& lse_BSH) {
  const DepthPlan& at_depth = depth_of(state, depth);
  const KvView whole = view(state, running, depth), kv = event_view(whole, at_depth);
  const at::Tensor mass_ET = event_mass(at_depth, q_BSHD, lse_BSH, whole, state.spec, voters_of(state.effects));
  const EventRows rows = event_rows(*state.plan, depth, kv, mass_ET, state.layer, state.spec.window);
  const at::Tensor keep_ET = state.effects.evict != nullptr ? state.effects.evict->keep(rows) : at::Tensor();
  if (state.effects.edits() != nullptr) edit(state, running, depth, kv, rows);
  if (keep_ET.defined()) kv.alive_BT.copy_(keep_ET);
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
      q_BSHD = padded(live.q_NHD.narrow(0, first, count), at_depth);
      const KvView kv = view(state, running, depth);
      keep_version(state, running, kv);
      const ops::Attended attended = ops::segment_attention(q_BSHD, at_depth.query_length_B, kv, state.spec);
      lse_BSH = attended.lse_BSH;
      state.attended.push_back(attended);
      at::Tensor out = out_nHD.narrow(0, first, count);
      at::index_select_out(out, attended.out_BSHD.reshape({-1, q_BSHD.size(2), q_BSHD.size(3)}), 0, at_depth.slot_n);
    }
    if (at_depth.events > 0) act(state, running, depth, q_BSHD, lse_BSH);
  }
  state.figures.settle();
  state.pool_P2GD = at::cat(running.pool);
  state.prompt = {};  // in the pool, and the queries have voted
  state.prompt_lse_BSH.reset();
  return out_nHD;
}

}  // namespace bt
