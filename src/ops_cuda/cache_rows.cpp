#include "cache_rows.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/cache_rows_checks.h"
#include "bt/ops/reference.h"
#include "cuda_tensors.h"
#include "kernels/edit_rows.h"

namespace bt::ops {
namespace {

using kernels::CacheRows;
using kernels::Element;

bool has_contiguous_heads(const at::Tensor& x_BGTD) { return x_BGTD.stride(3) == 1 || x_BGTD.size(3) <= 1; }

// Kernels that gather read only; the others write `data`.
CacheRows::Part part(const at::Tensor& x_BGTD) {
  return {const_cast<void*>(x_BGTD.const_data_ptr()), x_BGTD.stride(0), x_BGTD.stride(1), x_BGTD.stride(2)};
}

// rows_EW, and place_E if defined: contiguous.
CacheRows cache_rows(const at::Tensor& k, const at::Tensor& v, const at::Tensor& rows_EW,
                     const at::Tensor& place_E = {}) {
  TORCH_CHECK(k.element_size() % 2 == 0, "a cache on a GPU must have a type of 16 bits or more, found ",
              k.scalar_type());
  as_int(2 * rows_EW.numel(), "twice the number of chosen rows");
  as_int(2 * k.size(1) * k.size(3), "the width of an entry");
  return {part(k),
          part(v),
          rows_EW.const_data_ptr<int64_t>(),
          place_E.defined() ? place_E.const_data_ptr<int64_t>() : nullptr,
          k.size(0),
          k.size(2),
          as_int(rows_EW.size(0), "the number of events"),
          as_int(rows_EW.size(1), "the number of slots"),
          as_int(k.size(1), "the number of heads"),
          as_int(k.size(3), "the head width"),
          static_cast<int>(k.element_size())};
}

// Heads contiguous; zeros where there are no new rows.
void put_rows_(const at::Tensor& k, const at::Tensor& v, const at::Tensor& rows_EW,
               const std::optional<at::Tensor>& new_EWC) {
  at::Tensor entries;
  if (new_EWC) {
    check_entries(*new_EWC, k, rows_EW, "new rows");
    TORCH_CHECK(new_EWC->scalar_type() == k.scalar_type(), "new rows must be of the cache's type, ", k.scalar_type(),
                ", found ", new_EWC->scalar_type());
    entries = new_EWC->contiguous();
  }
  const at::Tensor rows = rows_EW.contiguous();
  const OnDeviceOf device(k);
  kernels::put_rows(cache_rows(k, v, rows), new_EWC ? entries.const_data_ptr() : nullptr, device.stream());
  device.check();
}

bool is_edited_by_kernel(const at::Tensor& k, const at::Tensor& v, const at::Tensor& u, const at::Tensor& delta) {
  const auto type = k.scalar_type();
  const auto is_read = [&](const at::Tensor& x) { return x.scalar_type() == type || x.scalar_type() == at::kFloat; };
  return (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) && has_contiguous_heads(k) &&
         has_contiguous_heads(v) && is_read(u) && is_read(delta);
}

Element element(at::ScalarType type) {
  return type == at::kFloat ? Element::fp32 : type == at::kHalf ? Element::fp16 : Element::bf16;
}

// The gate in fp32 over [E, W, C]: stride 0 along axes that it does not have, 0 or 1 along C.
at::Tensor expanded_gate(const at::Tensor& gate, const at::Tensor& u_EWC) {
  const at::Tensor wide = gate.to(u_EWC.device(), at::kFloat), expanded = wide.expand(u_EWC.sizes());
  return expanded.stride(2) <= 1 ? expanded : wide.contiguous().expand(u_EWC.sizes());
}

void edit_rows_(const at::Tensor& k, const at::Tensor& v, const at::Tensor& rows_EW, const at::Tensor& u_EWC,
                const at::Tensor& delta_EWC, const at::Tensor& gate, const std::optional<at::Tensor>& place_E) {
  check_cache(k, v, rows_EW, place_E.has_value());
  check_entries(u_EWC, k, rows_EW, "u");
  check_entries(delta_EWC, k, rows_EW, "delta");
  if (!is_edited_by_kernel(k, v, u_EWC, delta_EWC))
    return reference::edit_rows_(k, v, rows_EW, u_EWC, delta_EWC, gate, place_E);
  const at::Tensor place = places(place_E, rows_EW.size(0), k.device());
  const at::Tensor rows = rows_EW.contiguous(), u = u_EWC.contiguous(), delta = delta_EWC.contiguous(),
                   factor = expanded_gate(gate, u);
  const OnDeviceOf device(k);
  kernels::edit_rows(cache_rows(k, v, rows, place),
                     {u.const_data_ptr(), delta.const_data_ptr(), factor.const_data_ptr<float>(), factor.stride(0),
                      factor.stride(1), static_cast<int>(factor.stride(2)), element(k.scalar_type()),
                      u.scalar_type() == at::kFloat, delta.scalar_type() == at::kFloat},
                     device.stream());
  device.check();
  for (const at::Tensor& written : {k, v}) written.unsafeGetTensorImpl()->bump_version();
}

std::tuple<at::Tensor, at::Tensor> put_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                            const at::Tensor& rows_EW, const at::Tensor& new_EWC) {
  return put_rows_cuda(k_BGTD, v_BGTD, rows_EW, new_EWC);
}

}  // namespace

at::Tensor gather_rows_cuda(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                            const std::optional<at::Tensor>& place_E) {
  check_cache(k_BGTD, v_BGTD, rows_EW, place_E.has_value());
  if (!has_contiguous_heads(k_BGTD) || !has_contiguous_heads(v_BGTD))
    return reference::gather_rows(k_BGTD, v_BGTD, rows_EW, place_E);
  const at::Tensor place = places(place_E, rows_EW.size(0), k_BGTD.device());
  const at::Tensor rows = rows_EW.contiguous();
  const at::Tensor u_EWC =
      at::empty({rows.size(0), rows.size(1), 2 * k_BGTD.size(1) * k_BGTD.size(3)}, k_BGTD.options());
  const OnDeviceOf device(k_BGTD);
  kernels::gather_rows(cache_rows(k_BGTD, v_BGTD, rows, place), u_EWC.mutable_data_ptr(), device.stream());
  device.check();
  return u_EWC;
}

std::tuple<at::Tensor, at::Tensor> put_rows_cuda(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                 const at::Tensor& rows_EW, const std::optional<at::Tensor>& new_EWC) {
  check_cache(k_BGTD, v_BGTD, rows_EW);
  const at::Tensor k = k_BGTD.clone(at::MemoryFormat::Contiguous), v = v_BGTD.clone(at::MemoryFormat::Contiguous);
  put_rows_(k, v, rows_EW, new_EWC);
  return {k, v};
}

std::tuple<at::Tensor, at::Tensor> spread_rows_cuda(const at::Tensor& new_EWC, const at::Tensor& rows_EW,
                                                    at::IntArrayRef sizes_BGTD) {
  const at::Tensor k = at::zeros(sizes_BGTD, new_EWC.options()), v = at::zeros_like(k);
  put_rows_(k, v, rows_EW, new_EWC);
  return {k, v};
}

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("gather_rows", gather_rows_cuda);
  m.impl("put_rows", put_rows);
  m.impl("edit_rows_", edit_rows_);
}

}  // namespace bt::ops
