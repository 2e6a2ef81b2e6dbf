#include <ATen/ATen.h>

#include "bt/ops/ops.h"
#include "flash_on_cuda.h"

namespace bt::ops {
namespace {

// What LibTorch's flash attention has no word for goes to segment_attention: caps, windows, rows that are gone.
bool is_plain(int64_t queries, const KvView& kv, const AttentionSpec& spec) {
  return spec.softcap == 0 && (spec.window == 0 || spec.window >= queries) && !kv.alive_BT.defined();
}

}  // namespace

Attended causal_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const KvView& kv,
                          const AttentionSpec& spec) {
  TORCH_CHECK(!kv.place_B.defined(), "causal_attention takes no places of sequences");
  const at::Tensor q_BHSD = q_BSHD.transpose(1, 2);
  const auto out_of = [](const at::Tensor& out_BHSD, const at::Tensor& lse_BHS) {
    return Attended{out_BHSD.transpose(1, 2), lse_BHS.transpose(1, 2)};
  };
  // Right padding hides behind causality, so that no mask is needed.
  if (q_BSHD.numel() > 0 && is_plain(q_BSHD.size(1), kv, spec)) {
    if (q_BSHD.is_cpu()) {
      const auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q_BHSD, kv.k_BGTD, kv.v_BGTD, 0.0,
                                                                              /*is_causal=*/true, {}, spec.scale);
      return out_of(out, lse);
    }
    if (flash_on_cuda_takes(q_BHSD, kv.k_BGTD, kv.v_BGTD, spec.scale)) {
      const auto [out, lse] = flash_on_cuda(q_BHSD, kv.k_BGTD, kv.v_BGTD, spec.scale);
      return out_of(out, lse);
    }
  }
  return segment_attention(q_BSHD, query_length_B, kv, spec);
}

}  // namespace bt::ops
