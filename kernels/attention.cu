#include <climits>

#include "kernels/attention.h"

namespace bt::kernels {
namespace {

bool in_packs(const void* pointer, const Strides& stride) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride.sequence % 8 == 0 && stride.middle % 8 == 0 &&
         stride.head_or_row % 8 == 0;
}

bool fits_bytes(int64_t elements) { return elements >= 0 && elements <= INT_MAX / 2; }  // in an int

}  // namespace

bool attention_takes(const Attention& work) {
  return work.type != Element::fp32 && (work.width == 64 || work.width == 128) && work.groups > 0 && work.heads > 0 &&
         work.heads % work.groups == 0 && in_packs(work.q, work.q_stride) && in_packs(work.k, work.k_stride) &&
         in_packs(work.v, work.v_stride) && fits_bytes(work.q_stride.middle) && fits_bytes(work.q_stride.head_or_row) &&
         fits_bytes(work.k_stride.head_or_row) && fits_bytes(work.v_stride.head_or_row);
}

}  // namespace bt::kernels
