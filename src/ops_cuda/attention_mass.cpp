#include "kernels/attention_mass.h"

#include <torch/library.h>

#include "attention_arguments.h"
#include "bt/ops/reference.h"

namespace bt::ops {
namespace {

at::Tensor attention_mass_cuda(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                               const at::Tensor& voters_B, const at::Tensor& k_BGTD, const at::Tensor& length_B,
                               const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
                               double softcap, int64_t window, const std::optional<at::Tensor>& place_B) {
  using Cache = AttentionArguments::Cache;
  const AttentionArguments in(q_BSHD, query_length_B, k_BGTD, k_BGTD, length_B, position_BT, alive_BT,
                              {scale, softcap, window}, place_B ? Cache::of_sequences_by_place : Cache::of_sequences);
  if (!in.fit() || lse_BSH.scalar_type() != at::kFloat || voters_B.scalar_type() != at::kLong) {
    return reference::attention_mass(q_BSHD, lse_BSH, query_length_B, voters_B, k_BGTD, length_B, position_BT, alive_BT,
                                     scale, softcap, window, place_B);
  }
  const at::Tensor place = places(place_B, q_BSHD.size(0), q_BSHD.device());
  const int64_t sequences = in.work.sequences, rows = in.work.rows;
  const at::Tensor voters = voters_B.contiguous();
  const at::Tensor of_group_BGT = at::empty({sequences, in.work.groups, rows}, lse_BSH.options());
  at::Tensor mass_BT = at::empty({sequences, rows}, lse_BSH.options());
  const OnDeviceOf device(q_BSHD);
  kernels::attention_mass({in.work,
                           lse_BSH.const_data_ptr<float>(),
                           {lse_BSH.stride(0), lse_BSH.stride(1), lse_BSH.stride(2)},
                           voters.const_data_ptr<int64_t>(),
                           place.defined() ? place.const_data_ptr<int64_t>() : nullptr,
                           of_group_BGT.mutable_data_ptr<float>(),
                           mass_BT.mutable_data_ptr<float>()},
                          device.stream());
  device.check();
  return mass_BT;
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) { m.impl("attention_mass", attention_mass_cuda); }

}  // namespace bt::ops
