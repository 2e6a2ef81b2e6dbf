#include <torch/library.h>

#include "bt/ops/reference.h"

namespace bt::ops {
namespace {

// Nothing waits for the number of tokens that have a row: one that has none writes what another writes, or, where none
// has, what is there.
void put_tokens_(const at::Tensor& cache_BGTD, const at::Tensor& slot_N, const at::Tensor& row_N,
                 const at::Tensor& x_NGD) {
  const at::Tensor stored_N = row_N >= 0, own_N = at::arange(row_N.size(0), row_N.options());
  const at::Tensor from_N = at::where(stored_N, own_N, stored_N.to(at::kByte).argmax());
  const c10::List<std::optional<at::Tensor>> cells{slot_N.index_select(0, from_N), std::nullopt,
                                                   row_N.index_select(0, from_N).clamp_min(0)};
  at::Tensor cache = cache_BGTD;
  const at::Tensor new_NGD = x_NGD.index_select(0, from_N).to(cache.scalar_type());
  cache.index_put_(cells, at::where(stored_N.any(), new_NGD, cache.index(cells)));
}

}  // namespace

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
  if (row_N.numel() > 0) {
    put_tokens_(k_BGTD, slot_N, row_N, rotate(k_NGD, cos, sin, 1));
    put_tokens_(v_BGTD, slot_N, row_N, v_NGD);
  }
  return rotate(q_NHD, cos, sin, 1);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("rotate", reference::rotate);
  m.impl("rotate_both", reference::rotate_both);
  m.impl("rotate_into_", reference::rotate_into_);
}

}  // namespace bt::ops
