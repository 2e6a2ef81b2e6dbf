// Attention of few queries a sequence on the CPU, as in decoding: loops over rows, where a chain of tensor operations
// costs more than the attention.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

#include "bt/ops/attention_spec.h"

namespace bt::ops {

// True for at most 4 queries a sequence on the CPU in fp32, fp64 or bfloat16, all of one type. No gradient is recorded.
bool few_queries_take(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD);

// Output and log-sum-exp as of ops::segment_attention: zero and -inf for a query that sees nothing. Sums in at least
// fp32; a query's result does not depend on the batch.
std::tuple<at::Tensor, at::Tensor> few_queries_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B,
                                                         const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                         const at::Tensor& length_B, const at::Tensor& position_BT,
                                                         const std::optional<at::Tensor>& alive_BT,
                                                         const AttentionSpec& spec);

}  // namespace bt::ops
