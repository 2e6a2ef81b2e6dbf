#include <torch/library.h>

#include <vector>

#include "bt/ops/reference.h"
#include "scores.h"
#include "sequence_parts.h"

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

at::Tensor reference::attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH,
                                     const at::Tensor& query_length_B, const at::Tensor& voters_B,
                                     const at::Tensor& k_BGTD, const at::Tensor& length_B,
                                     const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT,
                                     double scale, double softcap, int64_t window,
                                     const std::optional<at::Tensor>& place_B) {
  const int64_t scores = q_BSHD.size(1) * q_BSHD.size(2) * k_BGTD.size(2);
  std::vector<at::Tensor> mass;
  for (const SequencePart& part : sequence_parts(q_BSHD.size(0), scores, q_BSHD.is_cpu())) {
    const at::Tensor k = place_B ? k_BGTD.index_select(0, part(*place_B)) : part(k_BGTD);
    mass.push_back(mass_of(part(q_BSHD), part(lse_BSH), part(query_length_B), part(voters_B), k, part(length_B),
                           part(position_BT), part(alive_BT), scale, softcap, window));
  }
  return mass.size() == 1 ? mass.front() : at::cat(mass);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("attention_mass", reference::attention_mass); }

}  // namespace bt::ops
