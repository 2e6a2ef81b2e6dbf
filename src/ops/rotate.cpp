#include <torch/library.h>

#include "bt/ops/reference.h"

namespace bt::ops {

at::Tensor reference::rotate(const at::Tensor& x_NHD, const at::Tensor& cos_ND, const at::Tensor& sin_ND,
                             int64_t sign) {
  const at::Tensor cos = cos_ND.unsqueeze(1), sin = sin_ND.unsqueeze(1);
  at::Tensor out = at::empty(x_NHD.sizes(), x_NHD.options());
  const std::vector<at::Tensor> from = x_NHD.chunk(2, -1), to = out.chunk(2, -1);
  at::Tensor first = to[0], second = to[1];
  at::mul_out(first, from[0], cos).addcmul_(from[1], sin, -sign);
  at::mul_out(second, from[1], cos).addcmul_(from[0], sin, sign);
  return out;
}

std::tuple<at::Tensor, at::Tensor> reference::rotate_both(const at::Tensor& q_NHD, const at::Tensor& k_NGD,
                                                          const at::Tensor& cos, const at::Tensor& sin, int64_t sign) {
  return {rotate(q_NHD, cos, sin, sign), rotate(k_NGD, cos, sin, sign)};
}

at::Tensor reference::rotate_into_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& slot_N,
                                   const at::Tensor& row_N, const at::Tensor& q_NHD, const at::Tensor& k_NGD,
                                   const at::Tensor& v_NGD, const at::Tensor& cos, const at::Tensor& sin) {
  const at::Tensor stored_n = (row_N >= 0).nonzero().squeeze(1);
  const c10::List<std::optional<at::Tensor>> rows{slot_N.index_select(0, stored_n), std::nullopt,
                                                  row_N.index_select(0, stored_n)};
  at::Tensor k = k_BGTD, v = v_BGTD;
  k.index_put_(rows, rotate(k_NGD, cos, sin, 1).index_select(0, stored_n).to(k.scalar_type()));
  v.index_put_(rows, v_NGD.index_select(0, stored_n).to(v.scalar_type()));
  return rotate(q_NHD, cos, sin, 1);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("rotate", reference::rotate);
  m.impl("rotate_both", reference::rotate_both);
  m.impl("rotate_into_", reference::rotate_into_);
}

}  // namespace bt::ops
