#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "bt/ops/reference.h"
#include "scores.h"

namespace bt::ops {
namespace {

// The last `count` rows of x_BS… that are real queries of each sequence, right-aligned; earlier slots repeat query 0.
at::Tensor newest(const at::Tensor& x_BSHX, const at::Tensor& query_B1) {
  const auto index = query_B1.view({query_B1.size(0), query_B1.size(1), 1, 1});
  return x_BSHX.gather(1, index.expand({query_B1.size(0), query_B1.size(1), x_BSHX.size(2), x_BSHX.size(3)}));
}

at::Tensor mass_of(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                   const at::Tensor& voters_B, const at::Tensor& k_BGTD, const at::Tensor& length_B,
                   const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
                   double softcap, int64_t window) {
  const int64_t batch = q_BSHD.size(0), heads = q_BSHD.size(2), rows = k_BGTD.size(2);
  const auto type = accumulation_type(q_BSHD.scalar_type());
  const at::Tensor count_B = at::minimum(voters_B, query_length_B);
  // Elsewhere the host would wait for the number.
  const int64_t voters = batch == 0 ? 0 : count_B.is_cpu() ? count_B.max().item<int64_t>() : q_BSHD.size(1);
  if (voters == 0) return at::zeros({batch, rows}, q_BSHD.options().dtype(type));
  const at::Tensor slot_V = at::arange(voters, count_B.options()) - voters;  // -V … -1
  const at::Tensor query_BV = (query_length_B.unsqueeze(1) + slot_V).clamp_min(0);
  const at::Tensor votes_BV = slot_V.unsqueeze(0) >= -count_B.unsqueeze(1);
  const at::Tensor visible_BST = visible_rows(query_length_B, q_BSHD.size(1), length_B, position_BT, alive_BT, window);
  const at::Tensor visible_BVT = visible_BST.gather(1, query_BV.unsqueeze(2).expand({batch, voters, rows}));
  at::Tensor probabilities = grouped_scores(newest(q_BSHD, query_BV), k_BGTD, {scale, softcap, window});
  const at::Tensor lse = newest(lse_BSH.unsqueeze(3), query_BV)  // [B, V, H, 1]
                             .view({batch, voters, k_BGTD.size(1), -1})
                             .permute({0, 2, 3, 1})
                             .unsqueeze(4);
  const at::Tensor weight_BV = votes_BV.to(type) / (count_B.clamp_min(1).unsqueeze(1) * heads);
  const at::Tensor weight = weight_BV.view({batch, 1, 1, voters}).expand({batch, k_BGTD.size(1), lse.size(2), voters});
  probabilities.sub_(lse).exp_();
  hide_(probabilities, visible_BVT, 0);
  return at::bmm(weight.reshape({batch, 1, heads * voters}), probabilities.view({batch, heads * voters, rows}))
      .squeeze(1);
}

}  // namespace

// On a CPU some sequences at a time: all layers of a large model have more scores than memory should hold.
at::Tensor reference::attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH,
                                     const at::Tensor& query_length_B, const at::Tensor& voters_B,
                                     const at::Tensor& k_BGTD, const at::Tensor& length_B,
                                     const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT,
                                     double scale, double softcap, int64_t window) {
  constexpr int64_t scores_at_once = 4 << 20;
  const int64_t batch = q_BSHD.size(0), scores = q_BSHD.size(1) * q_BSHD.size(2) * k_BGTD.size(2);
  const int64_t fitting = q_BSHD.is_cpu() ? scores_at_once / std::max<int64_t>(1, scores) : batch;
  const int64_t at_once = std::max<int64_t>(1, fitting);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin == 0 || begin < batch; begin += at_once) {
    const auto part = [&](const at::Tensor& x_B) { return x_B.narrow(0, begin, std::min(at_once, batch - begin)); };
    parts.push_back(
        mass_of(part(q_BSHD), part(lse_BSH), part(query_length_B), part(voters_B), part(k_BGTD), part(length_B),
                part(position_BT),
                alive_BT.has_value() && alive_BT->defined() ? std::optional<at::Tensor>(part(*alive_BT)) : std::nullopt,
                scale, softcap, window));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("attention_mass", reference::attention_mass); }

}  // namespace bt::ops
