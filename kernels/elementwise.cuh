// What the elementwise kernels of a decoder layer share: numbers move in packs of 16 bytes and are computed in fp32.
#pragma once

#include "kernels/device.cuh"

namespace bt::kernels {

// As a T holds it.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  return widen(narrow<T>(x));
}

// f(i, pack) for the packs of a row that are a thread's own, when `threads` share `packs` of them, at most kPacks each.
// i is a constant, so that an array indexed by it stays in registers.
template <int kPacks, class F>
__device__ __forceinline__ void each_pack(int thread, int threads, int packs, const F& f) {
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int pack = thread + i * threads;
    if (pack < packs) f(i, pack);
  }
}

// f(e) for the elements of a pack.
template <class T, class F>
__device__ __forceinline__ void each_element(const F& f) {
#pragma unroll
  for (int e = 0; e < Pack<T>::kSize; ++e) f(e);
}

}  // namespace bt::kernels
