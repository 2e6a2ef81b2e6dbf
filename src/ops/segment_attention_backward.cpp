// Gradients of segment attention, for nodes that keep neither scores nor probabilities.
#include <torch/library.h>

#include <vector>

#include "bt/ops/reference.h"
#include "flash_on_cpu.h"
#include "scores.h"
#include "sequence_parts.h"

namespace bt::ops {
namespace {

using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

Gradients composed(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& k_BGTD,
                   const at::Tensor& v_BGTD, const at::Tensor& visible_BST, const AttentionSpec& spec) {
  const int64_t batch = q_BSHD.size(0), queries = q_BSHD.size(1), heads = q_BSHD.size(2), width = q_BSHD.size(3);
  const int64_t groups = k_BGTD.size(1), rows = k_BGTD.size(2), share = heads / groups;
  const auto type = accumulation_type(q_BSHD.scalar_type());
  at::Tensor scores = grouped_scores(q_BSHD, k_BGTD, spec);
  hide_(scores, visible_BST);
  const at::Tensor p = scores.softmax(-1).view({batch * groups, share * queries, rows});
  const at::Tensor sees_BS = visible_BST.any(2).view({batch, queries, 1, 1});  // a query that sees nothing gave zero
  const at::Tensor d_out = grouped(d_out_BSHD.to(type) * sees_BS, groups).flatten(0, 1);
  const at::Tensor k = k_BGTD.to(type).reshape({batch * groups, rows, width}),
                   v = v_BGTD.to(type).reshape({batch * groups, rows, width});
  at::Tensor d_score = at::_softmax_backward_data(at::bmm(d_out, v.transpose(1, 2)), p, -1, type);
  if (spec.softcap > 0) {
    // A query that sees nothing has probabilities, and hidden scores whose squares fp32 cannot hold.
    scores.div_(spec.softcap).clamp_(-1, 1);
    d_score.mul_(scores.square_().neg_().add_(1).view_as(d_score));
  }
  const at::Tensor d_q = at::bmm(d_score, k)
                             .mul_(spec.scale)
                             .view({batch, groups, share, queries, width})
                             .permute({0, 3, 1, 2, 4})
                             .reshape(q_BSHD.sizes());
  const at::Tensor d_k = at::bmm(d_score.transpose(1, 2), grouped(q_BSHD.to(type) * spec.scale, groups).flatten(0, 1))
                             .view(k_BGTD.sizes());
  return {d_q, d_k, at::bmm(p.transpose(1, 2), d_out).view(v_BGTD.sizes())};
}

}  // namespace

Gradients reference::segment_attention_backward(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD,
                                                const at::Tensor& query_length_B, const at::Tensor& k_BGTD,
                                                const at::Tensor& v_BGTD, const at::Tensor& length_B,
                                                const at::Tensor& position_BT,
                                                const std::optional<at::Tensor>& alive_BT, double scale, double softcap,
                                                int64_t window, const at::Tensor& out_BSHD, const at::Tensor& lse_BSH) {
  if (q_BSHD.numel() == 0 || k_BGTD.numel() == 0) {
    const auto type = accumulation_type(q_BSHD.scalar_type());
    const auto zeros = [type](const at::Tensor& x) { return at::zeros(x.sizes(), x.options().dtype(type)); };
    return {zeros(q_BSHD), zeros(k_BGTD), zeros(v_BGTD)};
  }
  const at::Tensor visible_BST = visible_rows(query_length_B, q_BSHD.size(1), length_B, position_BT, alive_BT, window);
  if (flash_takes(q_BSHD, softcap))
    return flash_on_cpu_backward(d_out_BSHD, q_BSHD, k_BGTD, v_BGTD, visible_BST, scale, out_BSHD, lse_BSH);
  std::vector<at::Tensor> d_q, d_k, d_v;
  const int64_t scores = q_BSHD.size(1) * q_BSHD.size(2) * k_BGTD.size(2);
  for (const SequencePart& part : sequence_parts(q_BSHD.size(0), scores, q_BSHD.is_cpu())) {
    auto [q, k, v] = composed(part(d_out_BSHD), part(q_BSHD), part(k_BGTD), part(v_BGTD), part(visible_BST),
                              {scale, softcap, window});
    d_q.push_back(q);
    d_k.push_back(k);
    d_v.push_back(v);
  }
  if (d_q.size() == 1) return {d_q[0], d_k[0], d_v[0]};
  return {at::cat(d_q), at::cat(d_k), at::cat(d_v)};
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("segment_attention_backward", reference::segment_attention_backward);
}

}  // namespace bt::ops
