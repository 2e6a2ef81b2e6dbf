// Floats as whole numbers of the same order, so that a threshold among them can be found bit by bit.
#pragma once

#include "kernels/device.cuh"

namespace bt::kernels {

// Bits by which values of a type differ, once they are widened to fp32: the last 16 of a bf16 are 0.
template <class T>
inline constexpr int kOrderedBits = 32;
template <>
inline constexpr int kOrderedBits<bfloat16> = 16;
template <>
inline constexpr int kOrderedBits<half> = 19;

// The order of a's and b's is that of their keys; zeros of both signs have the same. NaN has none.
template <class T>
__device__ __forceinline__ uint32_t ordered_key(float x) {
  const uint32_t bits = __float_as_uint(x + 0.f), sign = 0x80000000u;
  return ((bits & sign) != 0 ? ~bits : bits | sign) >> (32 - kOrderedBits<T>);
}

template <class T>
__device__ __forceinline__ float value_of_key(uint32_t key) {
  constexpr int kShift = 32 - kOrderedBits<T>;
  const uint32_t bits = key << kShift, sign = 0x80000000u;
  return __uint_as_float((bits & sign) != 0 ? bits & ~sign : ~(bits | ((1u << kShift) - 1)));
}

// The greatest key of which reaches(key) is true, as it is of all lower ones; 0 where it is of none.
template <class T, class Reaches>
__device__ __forceinline__ uint32_t greatest_key(const Reaches& reaches) {
  uint32_t found = 0;
#pragma unroll 1
  for (int bit = kOrderedBits<T> - 1; bit >= 0; --bit) {
    const uint32_t higher = found | 1u << bit;
    if (reaches(higher)) found = higher;
  }
  return found;
}

}  // namespace bt::kernels
