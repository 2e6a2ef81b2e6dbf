// Attention scores in the accumulation type, shared by segment attention and attention mass.
#pragma once

#include <ATen/ATen.h>

#include "bt/ops/attention_spec.h"

namespace bt::ops {

// Half types accumulate in fp32; fp32 and fp64 in themselves.
inline at::ScalarType accumulation_type(at::ScalarType type) {
  return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type;
}

// Stands for minus infinity where an all-hidden row must stay finite through softmax and its gradient.
inline constexpr double kHiddenScore = -1e30;

// Queries that share a key/value head side by side: [B, S, H, X] as [B, G, H/G * S, X].
at::Tensor grouped(const at::Tensor& x_BSHX, int64_t groups);

// Scores of grouped queries and all rows, hidden ones too: [B, G, H/G, S, T].
at::Tensor grouped_scores(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const AttentionSpec& spec);

// Sets what a query does not see, in place.
void hide_(at::Tensor& x_BGHST, const at::Tensor& visible_BST, double value = kHiddenScore);

at::Tensor visible_rows(const at::Tensor& query_length_B, int64_t queries, const at::Tensor& length_B,
                        const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, int64_t window);

}  // namespace bt::ops
