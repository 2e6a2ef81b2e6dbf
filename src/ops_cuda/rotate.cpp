#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"
#include "elementwise_tensors.h"
#include "kernels/rotary.h"

namespace bt::ops {
namespace {

bool fits(const at::Tensor& x_NHD, const at::Tensor& cos, const at::Tensor& sin) {
  const auto type = element_of(x_NHD.scalar_type());
  const std::vector<int64_t> angles{x_NHD.size(0), x_NHD.size(-1) / 2};
  return x_NHD.dim() == 3 && type && same_kind(x_NHD, cos) && same_kind(x_NHD, sin) && cos.sizes() == angles &&
         sin.sizes() == angles && kernels::rotary_takes(x_NHD.size(2), *type);
}

bool fits_beside(const at::Tensor& q_NHD, const at::Tensor& x_NGD) {
  return same_kind(q_NHD, x_NGD) && x_NGD.dim() == 3 && x_NGD.size(0) == q_NHD.size(0) &&
         x_NGD.size(2) == q_NHD.size(2);
}

// From x, which moves in packs, to a contiguous tensor.
kernels::TokenHeads heads(const at::Tensor& x_NHD, const at::Tensor& out_NHD) {
  return {.from = x_NHD.const_data_ptr(),
          .from_by_token = x_NHD.stride(0),
          .from_by_head = x_NHD.stride(1),
          .to = out_NHD.mutable_data_ptr(),
          .to_by_row = out_NHD.stride(0),
          .to_by_head = out_NHD.stride(1),
          .heads = as_int(x_NHD.size(1), "the number of heads")};
}

// From x to rows of a cache.
kernels::TokenHeads heads(const at::Tensor& x_NGD, const at::Tensor& cache_BGTD, const at::Tensor& slot_N,
                          const at::Tensor& row_N) {
  return {.from = x_NGD.const_data_ptr(),
          .from_by_token = x_NGD.stride(0),
          .from_by_head = x_NGD.stride(1),
          .to = cache_BGTD.mutable_data_ptr(),
          .to_by_slot = cache_BGTD.stride(0),
          .to_by_row = cache_BGTD.stride(2),
          .to_by_head = cache_BGTD.stride(1),
          .slot = slot_N.const_data_ptr<int64_t>(),
          .row = row_N.const_data_ptr<int64_t>(),
          .heads = as_int(x_NGD.size(1), "the number of heads")};
}

struct Parts {
  kernels::TokenHeads q, k, v;
};

// like: any of the inputs, [N, heads, D].
void launch(const at::Tensor& like, const Parts& parts, const at::Tensor& any_cos, const at::Tensor& any_sin,
            int64_t sign) {
  const at::Tensor cos = contiguous_in_packs(any_cos), sin = contiguous_in_packs(any_sin);
  const OnDeviceOf device(like);
  kernels::rotary({parts.q, parts.k, parts.v, cos.const_data_ptr(), sin.const_data_ptr(),
                   as_int(like.size(0), "the number of tokens"), as_int(like.size(2), "the head width"),
                   static_cast<float>(sign), *element_of(like.scalar_type())},
                  device.stream());
  device.check();
}

at::Tensor rotate_cuda(const at::Tensor& any_x, const at::Tensor& cos, const at::Tensor& sin, int64_t sign) {
  if (!fits(any_x, cos, sin)) return reference::rotate(any_x, cos, sin, sign);
  const at::Tensor x = in_packs(any_x), out = at::empty(x.sizes(), x.options());
  launch(x, {heads(x, out), {}, {}}, cos, sin, sign);
  return out;
}

std::tuple<at::Tensor, at::Tensor> rotate_both_cuda(const at::Tensor& any_q, const at::Tensor& any_k,
                                                    const at::Tensor& cos, const at::Tensor& sin, int64_t sign) {
  if (!fits(any_q, cos, sin) || !fits_beside(any_q, any_k)) {
    return reference::rotate_both(any_q, any_k, cos, sin, sign);
  }
  const at::Tensor q = in_packs(any_q), k = in_packs(any_k);
  const at::Tensor q_out = at::empty(q.sizes(), q.options()), k_out = at::empty(k.sizes(), k.options());
  launch(q, {heads(q, q_out), heads(k, k_out), {}}, cos, sin, sign);
  return {q_out, k_out};
}

at::Tensor rotate_into_cuda_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& any_slot,
                             const at::Tensor& any_row, const at::Tensor& any_q, const at::Tensor& any_k,
                             const at::Tensor& any_v, const at::Tensor& cos, const at::Tensor& sin) {
  const auto takes = [&](const at::Tensor& x_NGD, const at::Tensor& cache) {
    return fits_beside(any_q, x_NGD) && same_kind(x_NGD, cache) && moves_in_packs(cache) &&
           cache.size(1) == x_NGD.size(1) && cache.size(3) == x_NGD.size(2);
  };
  if (!fits(any_q, cos, sin) || !takes(any_k, k_BGTD) || !takes(any_v, v_BGTD)) {
    return reference::rotate_into_(k_BGTD, v_BGTD, any_slot, any_row, any_q, any_k, any_v, cos, sin);
  }
  TORCH_CHECK(any_slot.numel() == any_q.size(0) && any_row.numel() == any_q.size(0),
              "rotate_into_: a slot and a row for every token, found ", any_slot.numel(), " and ", any_row.numel(),
              " for ", any_q.size(0));
  const at::Tensor q = in_packs(any_q), k = in_packs(any_k), v = in_packs(any_v);
  const at::Tensor slot = any_slot.contiguous(), row = any_row.contiguous(), out = at::empty(q.sizes(), q.options());
  launch(q, {heads(q, out), heads(k, k_BGTD, slot, row), heads(v, v_BGTD, slot, row)}, cos, sin, 1);
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("rotate", rotate_cuda);
  m.impl("rotate_both", rotate_both_cuda);
  m.impl("rotate_into_", rotate_into_cuda_);
}

}  // namespace bt::ops
