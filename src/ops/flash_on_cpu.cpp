#include "flash_on_cpu.h"

namespace bt::ops {
namespace {

at::Tensor ungrouped(const at::Tensor& x_BGNX, int64_t queries) {
  const int64_t batch = x_BGNX.size(0), groups = x_BGNX.size(1), share = x_BGNX.size(2) / queries;
  return x_BGNX.reshape({batch, groups, share, queries, -1})
      .permute({0, 3, 1, 2, 4})
      .reshape({batch, queries, groups * share, -1});
}

at::Tensor bias(const at::Tensor& visible_BST, int64_t share, const c10::TensorOptions& options) {
  const int64_t batch = visible_BST.size(0), queries = visible_BST.size(1), rows = visible_BST.size(2);
  const at::Tensor bias_BST =
      at::zeros(visible_BST.sizes(), options).masked_fill_(visible_BST.logical_not(), kHiddenScore);
  return bias_BST.view({batch, 1, 1, queries, rows})
      .expand({batch, 1, share, queries, rows})
      .reshape({batch, 1, share * queries, rows});
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> flash_on_cpu(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD,
                                                const at::Tensor& v_BGTD, const at::Tensor& visible_BST, double scale) {
  const int64_t queries = q_BSHD.size(1), groups = k_BGTD.size(1), share = q_BSHD.size(2) / groups;
  const auto [out, lse] =
      at::_scaled_dot_product_flash_attention_for_cpu(grouped(q_BSHD, groups), k_BGTD, v_BGTD, 0.0, /*is_causal=*/false,
                                                      bias(visible_BST, share, q_BSHD.options()), scale);
  return {ungrouped(out, queries), ungrouped(lse.unsqueeze(3), queries).squeeze(3)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> flash_on_cpu_backward(
    const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
    const at::Tensor& visible_BST, double scale, const at::Tensor& out_BSHD, const at::Tensor& lse_BSH) {
  const int64_t queries = q_BSHD.size(1), groups = k_BGTD.size(1), share = q_BSHD.size(2) / groups;
  const at::Tensor blind_BSH = lse_BSH.isneginf(),
                   lse = lse_BSH.masked_fill(blind_BSH, 0);  // exp(hidden score - 0) is 0
  const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      grouped(d_out_BSHD, groups), grouped(q_BSHD, groups), k_BGTD, v_BGTD, grouped(out_BSHD, groups),
      grouped(lse.unsqueeze(3), groups).squeeze(3), 0.0, /*is_causal=*/false,
      bias(visible_BST, share, q_BSHD.options()), scale);
  return {ungrouped(dq, queries), dk, dv};
}

}  // namespace bt::ops
