// The operators in readable ATen, for any device and floating type: what runs where no kernel is built or takes the
// arguments, and what kernels are tested against. Arguments and results as in bt/ops/ops.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace bt::ops::reference {

at::Tensor select_top(const at::Tensor& mass_ET, int64_t k);

at::Tensor gather_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW);
void edit_rows_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW, const at::Tensor& u_EWC,
                const at::Tensor& delta_EWC, const at::Tensor& gate);
std::tuple<at::Tensor, at::Tensor> put_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                            const at::Tensor& rows_EW, const at::Tensor& new_EWC);

at::Tensor attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                          const at::Tensor& voters_B, const at::Tensor& k_BGTD, const at::Tensor& length_B,
                          const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
                          double softcap, int64_t window);

std::tuple<at::Tensor, at::Tensor> segment_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B,
                                                     const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                     const at::Tensor& length_B, const at::Tensor& position_BT,
                                                     const std::optional<at::Tensor>& alive_BT, double scale,
                                                     double softcap, int64_t window);
std::tuple<at::Tensor, at::Tensor, at::Tensor> segment_attention_backward(
    const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const at::Tensor& k_BGTD,
    const at::Tensor& v_BGTD, const at::Tensor& length_B, const at::Tensor& position_BT,
    const std::optional<at::Tensor>& alive_BT, double scale, double softcap, int64_t window, const at::Tensor& out_BSHD,
    const at::Tensor& lse_BSH);

}  // namespace bt::ops::reference
