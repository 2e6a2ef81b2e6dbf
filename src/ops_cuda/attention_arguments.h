// Tensors as the attention kernels take them.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "bt/ops/attention_spec.h"
#include "cuda_tensors.h"
#include "kernels/attention.h"

namespace bt::ops {

// The tensors of one call, some of them made contiguous, and the work that points to them.
struct AttentionArguments {
  at::Tensor q_BSHD, k_BGTD, v_BGTD, query_length_B, length_B, position_BT, alive_BT;
  kernels::Attention work{};

  // k and v hold, of any number, what tables of cached rows point to, or sequences in places of their own.
  enum class Cache { of_sequences, of_rows_by_table, of_sequences_by_place };
  AttentionArguments(const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& length, const at::Tensor& position, const std::optional<at::Tensor>& alive,
                     const AttentionSpec& spec, Cache cache = Cache::of_sequences);
  // Whether a kernel takes them; if not, `work` must not be launched.
  bool fit() const { return fits_ && kernels::attention_takes(work); }

 private:
  bool fits_ = false;
};

}  // namespace bt::ops
