#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"

namespace bt::ops {

std::tuple<at::Tensor, at::Tensor> reference::paged_attention_backward(
    const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& query_length_B,
    const at::Tensor& pool_P2GD, const at::Tensor& table_BT, const at::Tensor& length_B, const at::Tensor& position_BT,
    const std::optional<at::Tensor>& alive_BT, const at::Tensor& rows_BW, double scale, double softcap, int64_t window,
    const at::Tensor& out_BSHD, const at::Tensor& lse_BSH) {
  const at::Tensor cache_BT2GD = pool_P2GD.index_select(0, table_BT.flatten()).unflatten(0, table_BT.sizes());
  const auto [d_q, d_k, d_v] =
      segment_attention_backward(d_out_BSHD, q_BSHD, query_length_B, cache_BT2GD.select(2, 0).transpose(1, 2),
                                 cache_BT2GD.select(2, 1).transpose(1, 2), length_B, position_BT, alive_BT, scale,
                                 softcap, window, out_BSHD, lse_BSH);
  return {d_q, gather_rows(d_k, d_v, rows_BW)};
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("paged_attention_backward", reference::paged_attention_backward);
}

}  // namespace bt::ops
