// Tensors of the types and places that the elementwise kernels take.
#pragma once

#include <ATen/core/Tensor.h>

#include "cuda_tensors.h"

namespace bt::ops {

inline bool same_kind(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

// Whether 16 bytes of the last axis can be moved at once: every other axis begins on 16 bytes.
inline bool moves_in_packs(const at::Tensor& x) {
  const int64_t size = static_cast<int64_t>(x.element_size()), last = x.dim() - 1;
  if (reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 != 0 || (x.size(last) > 1 && x.stride(last) != 1))
    return false;
  for (int64_t axis = 0; axis < last; ++axis) {
    if (x.size(axis) > 1 && x.stride(axis) * size % 16 != 0) return false;
  }
  return true;
}

// The tensor itself, or a copy that moves in packs.
inline at::Tensor in_packs(const at::Tensor& x) {
  return moves_in_packs(x) ? x : x.clone(at::MemoryFormat::Contiguous);
}
inline at::Tensor contiguous_in_packs(const at::Tensor& x) { return in_packs(x.contiguous()); }

}  // namespace bt::ops
