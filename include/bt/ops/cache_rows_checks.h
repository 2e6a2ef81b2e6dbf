// What every form of the operators on cache rows refuses, whatever its device.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <array>

namespace bt::ops {

// Keys and values [B, G, T, D] and rows of E <= B sequences, or of any where they have places. c10::Error.
inline void check_cache(const at::Tensor& k, const at::Tensor& v, const at::Tensor& rows_EW, bool placed = false) {
  TORCH_CHECK(k.dim() == 4 && k.sizes() == v.sizes() && k.scalar_type() == v.scalar_type() && k.device() == v.device(),
              "keys and values must be [B, G, T, D] of one shape, device and type, found ", k.sizes(), " of ",
              k.scalar_type(), " and ", v.sizes(), " of ", v.scalar_type());
  TORCH_CHECK(rows_EW.dim() == 2 && (placed || rows_EW.size(0) <= k.size(0)) && rows_EW.scalar_type() == at::kLong &&
                  rows_EW.device() == k.device(),
              "rows must be int64 [E, W] beside a cache of E sequences or more, found ", rows_EW.sizes(), " of ",
              rows_EW.scalar_type(), " for ", k.sizes());
}

// Entries [E, W, 2 G D] of those rows; `what` names them.
inline void check_entries(const at::Tensor& entries_EWC, const at::Tensor& k, const at::Tensor& rows_EW,
                          const char* what) {
  const std::array<int64_t, 3> shape = {rows_EW.size(0), rows_EW.size(1), 2 * k.size(1) * k.size(3)};
  const at::IntArrayRef sizes(shape);
  TORCH_CHECK(entries_EWC.sizes() == sizes && entries_EWC.device() == k.device(), what, " must be ", sizes,
              " beside the cache, found ", entries_EWC.sizes());
}

}  // namespace bt::ops
