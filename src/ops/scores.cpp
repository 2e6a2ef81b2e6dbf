#include "scores.h"

#include <torch/library.h>

namespace bt::ops {

at::Tensor visible_rows(const at::Tensor& query_length_B, int64_t queries, const at::Tensor& length_B,
                        const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, int64_t window) {
  const int64_t rows = position_BT.size(1);
  const at::Tensor query_S = at::arange(queries, query_length_B.options());
  const at::Tensor row_T = at::arange(rows, query_length_B.options());
  const at::Tensor own_row_BS = (length_B - query_length_B).unsqueeze(1) + query_S;
  const at::Tensor real_BS = query_S.unsqueeze(0) < query_length_B.unsqueeze(1);
  at::Tensor visible_BST = (row_T <= own_row_BS.unsqueeze(2)).logical_and_(real_BS.unsqueeze(2));
  if (window > 0) {
    const at::Tensor own_position_BS = position_BT.gather(1, own_row_BS.clamp(0, std::max<int64_t>(rows - 1, 0)));
    visible_BST.logical_and_((own_position_BS.unsqueeze(2) - position_BT.unsqueeze(1)) < window);
  }
  if (alive_BT.has_value() && alive_BT->defined()) visible_BST.logical_and_(alive_BT->unsqueeze(1));
  return visible_BST;
}

at::Tensor grouped(const at::Tensor& x_BSHX, int64_t groups) {
  const int64_t batch = x_BSHX.size(0), queries = x_BSHX.size(1), share = x_BSHX.size(2) / groups,
                width = x_BSHX.size(3);
  return x_BSHX.reshape({batch, queries, groups, share, width})
      .permute({0, 2, 3, 1, 4})
      .reshape({batch, groups, share * queries, width});
}

at::Tensor grouped_scores(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const AttentionSpec& spec) {
  const int64_t batch = q_BSHD.size(0), queries = q_BSHD.size(1), heads = q_BSHD.size(2), width = q_BSHD.size(3);
  const int64_t groups = k_BGTD.size(1), rows = k_BGTD.size(2), share = heads / groups;
  const auto type = accumulation_type(q_BSHD.scalar_type());
  const at::Tensor q = grouped(q_BSHD.to(type).mul(spec.scale), groups).flatten(0, 1);
  const at::Tensor k = k_BGTD.to(type).reshape({batch * groups, rows, width});
  at::Tensor scores = at::bmm(q, k.transpose(1, 2));
  if (spec.softcap > 0) {
    scores.div_(spec.softcap).tanh_();
    scores = scores.requires_grad() ? scores * spec.softcap : scores.mul_(spec.softcap);  // a gradient reads the tanh
  }
  return scores.view({batch, groups, share, queries, rows});
}

void hide_(at::Tensor& x_BGHST, const at::Tensor& visible_BST, double value) {
  x_BGHST.masked_fill_(
      visible_BST.logical_not().view({visible_BST.size(0), 1, 1, visible_BST.size(1), visible_BST.size(2)}), value);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("visible", visible_rows); }

}  // namespace bt::ops
