#include <ATen/ATen.h>

#include <limits>

#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// Segments of one depth, or of all depths on top of each other: their queries and what these attended to.
struct Segments {
  at::Tensor table_BT, position_BT, alive_BT, rows_B;  // the cache: pool rows; alive undefined without eviction
  at::Tensor q_BSHD, d_out_BSHD, query_length_B;
  ops::Attended attended;
};

// A depth's part of the live tokens.
at::Tensor part(const ScanState& state, const DepthPlan& depth, const at::Tensor& x_nHD) {
  return x_nHD.narrow(0, depth.token_begin - state.plan->live_begin, depth.token_end - depth.token_begin);
}

Segments segments_of(const ScanState& state, size_t depth, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const DepthPlan& at_depth = state.plan->depths[depth];
  return {.table_BT = state.table_BT[depth - 1],
          .position_BT = state.position_BT[depth - 1],
          .alive_BT = state.alive_BT.empty() ? at::Tensor() : state.alive_BT[depth - 1],
          .rows_B = at_depth.rows_B + state.appended[depth - 1],
          .q_BSHD = padded(part(state, at_depth, q_nHD), at_depth),
          .d_out_BSHD = padded(part(state, at_depth, d_out_nHD), at_depth),
          .query_length_B = at_depth.query_length_B,
          .attended = state.attended[depth - 1]};
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
  Segments all;
  all.table_BT = stack_padded(each(depths, [](const Segments& s) { return s.table_BT; }), 1, 0);
  all.position_BT = stack_padded(each(depths, [](const Segments& s) { return s.position_BT; }), 1, 0);
  if (depths[0].alive_BT.defined()) {
    all.alive_BT = stack_padded(each(depths, [](const Segments& s) { return s.alive_BT; }), 1, false);
  }
  all.rows_B = at::cat(each(depths, [](const Segments& s) { return s.rows_B; }));
  all.q_BSHD = stack_padded(each(depths, [](const Segments& s) { return s.q_BSHD; }), 1, 0);
  all.d_out_BSHD = stack_padded(each(depths, [](const Segments& s) { return s.d_out_BSHD; }), 1, 0);
  all.query_length_B = at::cat(each(depths, [](const Segments& s) { return s.query_length_B; }));
  all.attended.out_BSHD = stack_padded(each(depths, [](const Segments& s) { return s.attended.out_BSHD; }), 1, 0);
  all.attended.lse_BSH = stack_padded(each(depths, [](const Segments& s) { return s.attended.lse_BSH; }), 1, blind);
  return all;
}

ops::AttentionGradients gradients_of(const ScanState& state, const Segments& s) {
  const int64_t groups = state.pool_R2GD.size(2), width = state.pool_R2GD.size(3);
  const at::Tensor cache = state.pool_R2GD.index_select(0, s.table_BT.flatten())
                               .view({s.table_BT.size(0), s.table_BT.size(1), 2, groups, width});
  const KvView kv{cache.select(2, 0).transpose(1, 2), cache.select(2, 1).transpose(1, 2), s.rows_B, s.position_BT,
                  s.alive_BT};
  return ops::segment_attention_backward(s.d_out_BSHD, s.q_BSHD, s.query_length_B, kv, state.spec, s.attended);
}

// By depth. With kept activations each depth as a batch of its own, else all as one.
std::vector<ops::AttentionGradients> attention_gradients(const ScanState& state, const std::vector<Segments>& depths) {
  std::vector<ops::AttentionGradients> out;
  if (state.keeps_activations) {
    for (const Segments& one : depths) out.push_back(gradients_of(state, one));
    return out;
  }
  const ops::AttentionGradients all = gradients_of(state, stacked(depths));
  int64_t begin = 0;
  for (const Segments& one : depths) {
    const int64_t count = one.q_BSHD.size(0), width = one.q_BSHD.size(1), rows = one.table_BT.size(1);
    const auto own = [&](const at::Tensor& x, int64_t axis, int64_t size) {
      return x.narrow(0, begin, count).narrow(axis, 0, size);
    };
    out.push_back({own(all.q_BSHD, 1, width), own(all.k_BGTD, 2, rows), own(all.v_BGTD, 2, rows)});
    begin += count;
  }
  return out;
}

// Gradients of the depth's own queries, keys and values.
void set_own(const ScanState& state, const DepthPlan& depth, int64_t appended, const ops::AttentionGradients& d,
             ScanGradients& out) {
  const c10::List<std::optional<at::Tensor>> own{depth.sequence_n, std::nullopt, depth.row_n + appended};
  const int64_t heads = d.q_BSHD.size(2), width = d.q_BSHD.size(3);
  part(state, depth, out.q_nHD).copy_(d.q_BSHD.reshape({-1, heads, width}).index_select(0, depth.slot_n));
  part(state, depth, out.k_nGD).copy_(d.k_BGTD.index(own));
  part(state, depth, out.v_nGD).copy_(d.v_BGTD.index(own));
}

}  // namespace

ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const std::vector<DepthPlan>& depths = state.plan->depths;
  std::vector<Segments> segments;
  for (size_t depth = 1; depth < depths.size(); ++depth) {
    segments.push_back(segments_of(state, depth, q_nHD, d_out_nHD));
  }
  const std::vector<ops::AttentionGradients> d = attention_gradients(state, segments);
  ScanGradients out;
  out.parameters.resize(state.leaves.size());
  if (state.live_needs_grad) {
    out.q_nHD = at::empty_like(q_nHD);
    out.k_nGD = at::empty({q_nHD.size(0), state.pool_R2GD.size(2), state.pool_R2GD.size(3)}, q_nHD.options());
    out.v_nGD = at::empty_like(out.k_nGD);
    for (size_t i = 0; i < d.size(); ++i) set_own(state, depths[i + 1], state.appended[i], d[i], out);
  }
  if (state.effects.edits() == nullptr) return out;
  std::vector<at::Tensor> d_change;  // every segment continues after an event of the depth before
  for (size_t i = 0; i < d.size(); ++i) {
    d_change.push_back(ops::gather_rows({d[i].k_BGTD, d[i].v_BGTD, {}, {}, {}}, state.events[i].landed_EW));
  }
  out.parameters = edit_gradients(state, d_change);
  return out;
}

}  // namespace bt
