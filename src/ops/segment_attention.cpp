#include <torch/library.h>

#include <vector>

#include "bt/ops/reference.h"
#include "few_queries.h"
#include "flash_on_cpu.h"
#include "scores.h"
#include "sequence_parts.h"

namespace bt::ops {
namespace {

bool recorded(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> reference::segment_attention(
    const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
    const at::Tensor& length_B, const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
    double softcap, int64_t window) {
  const int64_t batch = q_BSHD.size(0), queries = q_BSHD.size(1), heads = q_BSHD.size(2), width = q_BSHD.size(3);
  const int64_t groups = k_BGTD.size(1), rows = k_BGTD.size(2);
  TORCH_CHECK(groups > 0 && heads % groups == 0, "attention: ", heads, " heads are no multiple of ", groups, " groups");
  const int64_t share = heads / groups;
  const auto type = accumulation_type(q_BSHD.scalar_type());
  if (batch == 0 || queries == 0 || rows == 0) {
    return {at::zeros_like(q_BSHD),
            at::full({batch, queries, heads}, -std::numeric_limits<double>::infinity(), q_BSHD.options().dtype(type))};
  }
  const bool is_recorded = recorded(q_BSHD, k_BGTD, v_BGTD);
  if (!is_recorded && few_queries_take(q_BSHD, k_BGTD, v_BGTD)) {
    return few_queries_attention(q_BSHD, query_length_B, k_BGTD, v_BGTD, length_B, position_BT, alive_BT,
                                 {scale, softcap, window});
  }
  const at::Tensor visible_BST = visible_rows(query_length_B, queries, length_B, position_BT, alive_BT, window);
  const at::Tensor blind_BS = visible_BST.any(2).logical_not();
  const auto seen = [&](const at::Tensor& out_BSHD, const at::Tensor& lse_BSH) {
    return std::tuple(out_BSHD.masked_fill(blind_BS.view({batch, queries, 1, 1}), 0).to(q_BSHD.scalar_type()),
                      lse_BSH.masked_fill(blind_BS.unsqueeze(2), -std::numeric_limits<double>::infinity()));
  };
  if (flash_takes(q_BSHD, softcap) && !is_recorded) {
    const auto [out_BSHD, lse_BSH] = flash_on_cpu(q_BSHD, k_BGTD, v_BGTD, visible_BST, scale);
    return seen(out_BSHD, lse_BSH);
  }
  const auto parts = sequence_parts(batch, queries * heads * rows, q_BSHD.is_cpu());
  if (parts.size() > 1 && !is_recorded) {
    std::vector<at::Tensor> outs, lses;
    for (const SequencePart& part : parts) {
      const auto [out_BSHD, lse_BSH] =
          reference::segment_attention(part(q_BSHD), part(query_length_B), part(k_BGTD), part(v_BGTD), part(length_B),
                                       part(position_BT), part(alive_BT), scale, softcap, window);
      outs.push_back(out_BSHD);
      lses.push_back(lse_BSH);
    }
    return {at::cat(outs), at::cat(lses)};
  }
  at::Tensor scores = grouped_scores(q_BSHD, k_BGTD, {scale, softcap, window});
  hide_(scores, visible_BST);
  const at::Tensor lse_BSH = scores.detach().logsumexp(-1).permute({0, 3, 1, 2}).reshape({batch, queries, heads});
  const at::Tensor v = v_BGTD.to(type).reshape({batch * groups, rows, width});
  const at::Tensor probabilities = scores.softmax(-1).view({batch * groups, share * queries, rows});
  const at::Tensor out_BSHD = at::bmm(probabilities, v)
                                  .view({batch, groups, share, queries, width})
                                  .permute({0, 3, 1, 2, 4})
                                  .reshape({batch, queries, heads, width});
  return seen(out_BSHD, lse_BSH);
}

bool no_kernel(const at::Tensor& /*q_BSHD*/, const at::Tensor& /*k_BGTD*/) { return false; }

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("attention_has_kernel", no_kernel); }
TORCH_LIBRARY_IMPL(bt, CompositeImplicitAutograd, m) { m.impl("segment_attention", reference::segment_attention); }

}  // namespace bt::ops
