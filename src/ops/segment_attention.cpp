#include <torch/library.h>

#include "scores.h"

namespace bt::ops {
namespace {

std::tuple<at::Tensor, at::Tensor> segment_attention_aten(
    const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
    const at::Tensor& length_B, const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
    double softcap, int64_t window) {
  const int64_t batch = q_BSHD.size(0), queries = q_BSHD.size(1), heads = q_BSHD.size(2), width = q_BSHD.size(3);
  const int64_t groups = k_BGTD.size(1), rows = k_BGTD.size(2), share = heads / groups;
  const auto type = accumulation_type(q_BSHD.scalar_type());
  if (batch == 0 || queries == 0 || rows == 0) {
    return {at::zeros_like(q_BSHD), at::full({batch, queries, heads}, -std::numeric_limits<double>::infinity(), q_BSHD.options().dtype(type))};
  }
  const at::Tensor visible_BST = visible_rows(query_length_B, queries, length_B, position_BT, alive_BT, window);
  const at::Tensor scores = grouped_scores(q_BSHD, k_BGTD, visible_BST, {scale, softcap, window});
  const at::Tensor sees_any_BS = visible_BST.any(2);
  const at::Tensor lse_BSH = scores.detach().logsumexp(-1).permute({0, 3, 1, 2}).reshape({batch, queries, heads});
  const at::Tensor v = v_BGTD.to(type).reshape({batch * groups, rows, width});
  const at::Tensor probabilities = scores.softmax(-1).view({batch * groups, share * queries, rows});
  const at::Tensor out_BSHD = at::bmm(probabilities, v)
                                  .view({batch, groups, share, queries, width})
                                  .permute({0, 3, 1, 2, 4})
                                  .reshape({batch, queries, heads, width});
  const at::Tensor blind_BS = sees_any_BS.logical_not();
  return {out_BSHD.masked_fill(blind_BS.view({batch, queries, 1, 1}), 0).to(q_BSHD.scalar_type()),
          lse_BSH.masked_fill(blind_BS.unsqueeze(2), -std::numeric_limits<double>::infinity())};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CompositeImplicitAutograd, m) { m.impl("segment_attention", segment_attention_aten); }

}  // namespace bt::ops
