// The operators in readable ATen, for any device and floating type: what runs where no kernel is built or takes the
// arguments, and what kernels are tested against. Arguments and results as in bt/ops/ops.h and bt/ops/head.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <tuple>

namespace bt::ops::reference {

at::Tensor select_top(const at::Tensor& mass_ET, int64_t k);

at::Tensor gather_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                       const std::optional<at::Tensor>& place_E = {});
void edit_rows_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW, const at::Tensor& u_EWC,
                const at::Tensor& delta_EWC, const at::Tensor& gate, const std::optional<at::Tensor>& place_E = {});
std::tuple<at::Tensor, at::Tensor> put_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                            const at::Tensor& rows_EW, const at::Tensor& new_EWC);

at::Tensor attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                          const at::Tensor& voters_B, const at::Tensor& k_BGTD, const at::Tensor& length_B,
                          const at::Tensor& position_BT, const std::optional<at::Tensor>& alive_BT, double scale,
                          double softcap, int64_t window, const std::optional<at::Tensor>& place_B = {});

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
std::tuple<at::Tensor, at::Tensor> paged_attention_backward(
    const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD, const at::Tensor& query_length_B,
    const at::Tensor& pool_P2GD, const at::Tensor& table_BT, const at::Tensor& length_B, const at::Tensor& position_BT,
    const std::optional<at::Tensor>& alive_BT, const at::Tensor& rows_BW, double scale, double softcap, int64_t window,
    const at::Tensor& out_BSHD, const at::Tensor& lse_BSH);

// Those of bt/ops/layer_ops.h.
std::tuple<at::Tensor, at::Tensor> rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                                            double weight_offset, bool rounds_last);
std::tuple<at::Tensor, at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                                            const at::Tensor& weight, double eps, double weight_offset,
                                                            bool rounds_last);
std::tuple<at::Tensor, at::Tensor> rms_norm_backward(const at::Tensor& dy, const std::optional<at::Tensor>& d_sum,
                                                     const at::Tensor& x, const at::Tensor& weight,
                                                     const at::Tensor& scale, double weight_offset, bool rounds_last,
                                                     bool wants_dweight);

at::Tensor rotate(const at::Tensor& x_NHD, const at::Tensor& cos, const at::Tensor& sin, int64_t sign);
std::tuple<at::Tensor, at::Tensor> rotate_both(const at::Tensor& q_NHD, const at::Tensor& k_NGD, const at::Tensor& cos,
                                               const at::Tensor& sin, int64_t sign);
at::Tensor rotate_into_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& slot_N,
                        const at::Tensor& row_N, const at::Tensor& q_NHD, const at::Tensor& k_NGD,
                        const at::Tensor& v_NGD, const at::Tensor& cos, const at::Tensor& sin);

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, std::string_view activation);
std::tuple<at::Tensor, at::Tensor> gated_activation_backward(const at::Tensor& d_out, const at::Tensor& gate,
                                                             const at::Tensor& up, std::string_view activation);

// That of bt/ops/head.h.
std::tuple<at::Tensor, at::Tensor, at::Tensor> cross_entropy_(const at::Tensor& logits_MV, const at::Tensor& target_M,
                                                              double softcap, bool want_gradient, bool want_entropy);

}  // namespace bt::ops::reference
