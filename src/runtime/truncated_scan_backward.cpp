#include <ATen/ATen.h>

#include <limits>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// Segments of one depth, or of all depths on top of each other: their queries and what these attended to.
struct Segments {
  ops::PagedKv kv;  // alive undefined without eviction
  at::Tensor q_BSHD, d_out_BSHD, query_length_B;
  ops::Attended attended;
  at::Tensor wanted_BW;  // cached rows whose gradients go on: those that an event wrote, then the segment's own
};

// A depth's part of the live tokens.
at::Tensor part(const ScanState& state, const DepthPlan& depth, const at::Tensor& x_nHD) {
  return x_nHD.narrow(0, depth.token_begin - state.plan->live_begin, depth.token_end - depth.token_begin);
}

// The newest rows of every cache, [B, S]; -1 for padding.
at::Tensor own_rows(const DepthPlan& depth, const at::Tensor& rows_B) {
  const at::Tensor slot_S = at::arange(depth.width, rows_B.options()), count_B1 = depth.query_length_B.unsqueeze(1);
  return at::where(slot_S < count_B1, rows_B.unsqueeze(1) - count_B1 + slot_S, -1);
}

// Every segment continues after an event of the depth before.
at::Tensor wanted_rows(const ScanState& state, size_t depth, const at::Tensor& rows_B) {
  std::vector<at::Tensor> wanted;
  if (state.effects.edits() != nullptr) wanted.push_back(state.events[depth - 1].landed_EW);
  if (state.live_needs_grad) wanted.push_back(own_rows(state.plan->depths[depth], rows_B));
  return at::cat(wanted, 1);
}

Segments segments_of(const ScanState& state, size_t depth, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const DepthPlan& at_depth = state.plan->depths[depth];
  const at::Tensor rows_B = at_depth.rows_B + state.appended[depth - 1];
  return {.kv = {.pool_P2GD = state.pool_P2GD,
                 .table_BT = state.table_BT[depth - 1],
                 .length_B = rows_B,
                 .position_BT = state.position_BT[depth - 1],
                 .alive_BT = state.alive_BT.empty() ? at::Tensor() : state.alive_BT[depth - 1]},
          .q_BSHD = padded(part(state, at_depth, q_nHD), at_depth),
          .d_out_BSHD = padded(part(state, at_depth, d_out_nHD), at_depth),
          .query_length_B = at_depth.query_length_B,
          .attended = state.attended[depth - 1],
          .wanted_BW = wanted_rows(state, depth, rows_B)};
}

template <class Member>
std::vector<at::Tensor> each(const std::vector<Segments>& depths, const Member& member) {
  std::vector<at::Tensor> out;
  for (const Segments& one : depths) out.push_back(member(one));
  return out;
}

// Padded to the longest segment and the longest cache of any depth.
Segments stacked(const std::vector<Segments>& depths) {
  constexpr double blind = -std::numeric_limits<double>::infinity();
  const auto stack = [&](const auto& member, const at::Scalar& fill) {
    return stack_padded(each(depths, member), 1, fill);
  };
  Segments all;
  all.kv.pool_P2GD = depths[0].kv.pool_P2GD;
  all.kv.table_BT = stack([](const Segments& s) { return s.kv.table_BT; }, 0);
  all.kv.position_BT = stack([](const Segments& s) { return s.kv.position_BT; }, 0);
  if (depths[0].kv.alive_BT.defined()) {
    all.kv.alive_BT = stack([](const Segments& s) { return s.kv.alive_BT; }, false);
  }
  all.kv.length_B = at::cat(each(depths, [](const Segments& s) { return s.kv.length_B; }));
  all.q_BSHD = stack([](const Segments& s) { return s.q_BSHD; }, 0);
  all.d_out_BSHD = stack([](const Segments& s) { return s.d_out_BSHD; }, 0);
  all.query_length_B = at::cat(each(depths, [](const Segments& s) { return s.query_length_B; }));
  all.attended.out_BSHD = stack([](const Segments& s) { return s.attended.out_BSHD; }, 0);
  all.attended.lse_BSH = stack([](const Segments& s) { return s.attended.lse_BSH; }, blind);
  all.wanted_BW = stack([](const Segments& s) { return s.wanted_BW; }, -1);
  return all;
}

ops::PagedGradients gradients_of(const ScanState& state, const Segments& s) {
  return ops::paged_attention_backward(s.d_out_BSHD, s.q_BSHD, s.query_length_B, s.kv, s.wanted_BW, state.spec,
                                       s.attended);
}

// By depth. With kept activations each depth as a batch of its own, else all as one.
std::vector<ops::PagedGradients> attention_gradients(const ScanState& state, const std::vector<Segments>& depths) {
  std::vector<ops::PagedGradients> out;
  if (state.keeps_activations) {
    for (const Segments& one : depths) out.push_back(gradients_of(state, one));
    return out;
  }
  const ops::PagedGradients all = gradients_of(state, stacked(depths));
  int64_t begin = 0;
  for (const Segments& one : depths) {
    const int64_t count = one.q_BSHD.size(0);
    const auto own = [&](const at::Tensor& x, int64_t size) { return x.narrow(0, begin, count).narrow(1, 0, size); };
    out.push_back({own(all.q_BSHD, one.q_BSHD.size(1)), own(all.rows_BWC, one.wanted_BW.size(1))});
    begin += count;
  }
  return out;
}

// Gradients of the depth's own queries, keys and values.
void set_own(const ScanState& state, const DepthPlan& depth, const ops::PagedGradients& d, ScanGradients& out) {
  const int64_t width = d.q_BSHD.size(1), landed = d.rows_BWC.size(1) - width;
  const at::Tensor own_n2GD = d.rows_BWC.narrow(1, landed, width)
                                  .flatten(0, 1)
                                  .index_select(0, depth.slot_n)
                                  .unflatten(1, state.pool_P2GD.sizes().slice(1));
  part(state, depth, out.q_nHD).copy_(d.q_BSHD.flatten(0, 1).index_select(0, depth.slot_n));
  part(state, depth, out.k_nGD).copy_(own_n2GD.select(1, 0));
  part(state, depth, out.v_nGD).copy_(own_n2GD.select(1, 1));
}

}  // namespace

ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const std::vector<DepthPlan>& depths = state.plan->depths;
  std::vector<Segments> segments;
  for (size_t depth = 1; depth < depths.size(); ++depth) {
    segments.push_back(segments_of(state, depth, q_nHD, d_out_nHD));
  }
  const std::vector<ops::PagedGradients> d = attention_gradients(state, segments);
  ScanGradients out;
  out.parameters.resize(state.leaves.size());
  if (state.live_needs_grad) {
    out.q_nHD = at::empty_like(q_nHD);
    out.k_nGD = at::empty({q_nHD.size(0), state.pool_P2GD.size(2), state.pool_P2GD.size(3)}, q_nHD.options());
    out.v_nGD = at::empty_like(out.k_nGD);
    for (size_t i = 0; i < d.size(); ++i) set_own(state, depths[i + 1], d[i], out);
  }
  if (state.effects.edits() == nullptr) return out;
  std::vector<at::Tensor> d_change;
  for (size_t i = 0; i < d.size(); ++i)
    d_change.push_back(d[i].rows_BWC.narrow(1, 0, state.events[i].landed_EW.size(1)));
  out.parameters = edit_gradients(state, d_change);
  return out;
}

}  // namespace bt
