#include <ATen/ATen.h>

#include "../ops/scores.h"
#include "bt/ops/ops.h"
#include "truncated_scan_state.h"

namespace bt {
namespace {

// Keys and values every live segment attended to.
KvView all_caches(const ScanState& state) {
  const LiveSegments& live = state.plan->live;
  const int64_t groups = state.pool_R2GD.size(2), width = state.pool_R2GD.size(3);
  const at::Tensor table_ZT = stack_padded(state.table_BT, live.rows, 0);
  const at::Tensor cache = state.pool_R2GD.index_select(0, table_ZT.flatten()).view({live.count, live.rows, 2, groups, width});
  KvView kv{cache.select(2, 0).transpose(1, 2).contiguous(), cache.select(2, 1).transpose(1, 2).contiguous(), live.rows_Z, live.position_ZT, {}};
  if (!state.alive_BT.empty()) kv.alive_BT = stack_padded(state.alive_BT, live.rows, false);
  return kv;
}

at::Tensor padded(const at::Tensor& x_nHD, const LiveSegments& live) {
  return x_nHD.index_select(0, live.token_ZS.flatten()).view({live.count, live.width, x_nHD.size(1), x_nHD.size(2)});
}

// [Z, S, H, D] as [Z * G, H / G * S, D], the layout of grouped scores.
at::Tensor grouped(const at::Tensor& x_ZSHD, int64_t groups) {
  const int64_t count = x_ZSHD.size(0), width = x_ZSHD.size(1), share = x_ZSHD.size(2) / groups;
  return x_ZSHD.view({count, width, groups, share, -1}).permute({0, 2, 3, 1, 4}).reshape({count * groups, share * width, -1});
}

struct AttentionGradients {
  at::Tensor q_ZSHD, k_ZGTD, v_ZGTD;
};

AttentionGradients attention_backward(const ScanState& state, const KvView& kv, const at::Tensor& q_ZSHD, const at::Tensor& d_out_ZSHD) {
  const LiveSegments& live = state.plan->live;
  const AttentionSpec& spec = state.spec;
  const int64_t groups = kv.k_BGTD.size(1), heads = q_ZSHD.size(2), width = q_ZSHD.size(3), batch = live.count * groups;
  const int64_t queries = heads / groups * live.width;
  const auto type = ops::accumulation_type(q_ZSHD.scalar_type());
  const at::Tensor visible_ZST = ops::visible_BST(live.query_length_Z, live.width, kv, spec.window);
  at::Tensor scores = ops::grouped_scores(q_ZSHD, kv.k_BGTD, spec);
  ops::hide_(scores, visible_ZST);
  const at::Tensor p = scores.softmax(-1).view({batch, queries, live.rows});
  const at::Tensor real_ZS = at::arange(live.width, live.query_length_Z.options()).unsqueeze(0) < live.query_length_Z.unsqueeze(1);
  const at::Tensor d_out = grouped(d_out_ZSHD.to(type) * real_ZS.view({live.count, live.width, 1, 1}), groups);
  const at::Tensor k = kv.k_BGTD.to(type).reshape({batch, live.rows, width}), v = kv.v_BGTD.to(type).reshape({batch, live.rows, width});
  const at::Tensor d_p = at::bmm(d_out, v.transpose(1, 2));
  at::Tensor d_score = at::_softmax_backward_data(d_p, p, -1, p.scalar_type());
  if (spec.softcap > 0) {
    const at::Tensor capped = (scores / spec.softcap).view_as(d_score).masked_fill(p == 0, 0);
    d_score = d_score * (1 - capped.square());
  }
  AttentionGradients d;
  d.k_ZGTD = at::bmm(d_score.transpose(1, 2), grouped(q_ZSHD.to(type) * spec.scale, groups)).view({live.count, groups, live.rows, width});
  d.v_ZGTD = at::bmm(p.transpose(1, 2), d_out).view({live.count, groups, live.rows, width});
  if (state.live_needs_grad) {
    d.q_ZSHD = at::bmm(d_score, k).mul_(spec.scale).view({live.count, groups, heads / groups, live.width, width})
                   .permute({0, 3, 1, 2, 4}).reshape({live.count, live.width, heads, width});
  }
  return d;
}

}  // namespace

ScanGradients scan_backward(ScanState& state, const at::Tensor& q_nHD, const at::Tensor& d_out_nHD) {
  const LiveSegments& live = state.plan->live;
  ScanGradients out;
  out.parameters.resize(state.leaves.size());
  if (live.width == 0) return out;
  const KvView kv = all_caches(state);
  const AttentionGradients d = attention_backward(state, kv, padded(q_nHD, live), padded(d_out_nHD, live));
  if (state.effects.rewrite != nullptr) out.parameters = edit_gradients(state, {d.k_ZGTD, d.v_ZGTD, {}, {}, {}});
  if (!state.live_needs_grad) return out;
  const c10::List<std::optional<at::Tensor>> own{live.segment_n, std::nullopt, live.row_n};
  const auto type = q_nHD.scalar_type();
  out.k_nGD = d.k_ZGTD.index(own).to(type);
  out.v_nGD = d.v_ZGTD.index(own).to(type);
  out.q_nHD = d.q_ZSHD.reshape({-1, q_nHD.size(1), q_nHD.size(2)}).index_select(0, live.slot_n).to(type);
  return out;
}

}  // namespace bt
