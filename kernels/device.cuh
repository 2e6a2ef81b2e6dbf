// What kernels are written in: CUDA's own words, and wrappers for those that a host compiler does not know. Compiled by
// nvcc they are CUDA's; compiled by a host compiler alone, as the tests do, tests/support/cuda_emulator.h stands in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <utility>

namespace bt::kernels {

using bfloat16 = __nv_bfloat16;
using half = __half;

// Dynamic shared memory of the block, as many bytes as the launch asked for.
template <class T>
__device__ __forceinline__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

// Starts kernel(arguments...). Errors are cudaGetLastError's.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared_bytes, Stream stream,
            Arguments&&... arguments) {
  if (shared_bytes > 48 * 1024) {
    cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(shared_bytes));
  }
  kernel<<<grid, threads, shared_bytes, stream>>>(std::forward<Arguments>(arguments)...);
}

}  // namespace bt::kernels

#else

#include "support/cuda_emulator.h"

#endif

namespace bt::kernels {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// Numbers that kernels compute in: double for double, fp32 for everything narrower.
template <class T>
struct WideOf {
  using Type = float;
};
template <>
struct WideOf<double> {
  using Type = double;
};
template <class T>
using Wide = typename WideOf<T>::Type;

__host__ __device__ __forceinline__ float widen(float x) { return x; }
__host__ __device__ __forceinline__ double widen(double x) { return x; }
__host__ __device__ __forceinline__ float widen(bfloat16 x) { return __bfloat162float(x); }
__host__ __device__ __forceinline__ float widen(half x) { return __half2float(x); }

// Rounds to nearest, ties to even.
template <class T>
__host__ __device__ __forceinline__ T narrow(Wide<T> x) {
  return x;
}
template <>
__host__ __device__ __forceinline__ bfloat16 narrow<bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__host__ __device__ __forceinline__ half narrow<half>(float x) {
  return __float2half_rn(x);
}

// f(T{}) for the type that is named.
template <class F>
void with_type(Element type, const F& f) {
  switch (type) {
    case Element::fp32:
      return f(float{});
    case Element::bf16:
      return f(bfloat16{});
    case Element::fp16:
      return f(half{});
  }
}

// As many elements as move in one instruction of 16 bytes.
template <class T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T at[kSize];
};
template <class T>
__device__ __forceinline__ Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}
template <class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(to) = pack;
}
template <class T>
__host__ __device__ __forceinline__ bool fits_packs(const T* pointer, int64_t stride) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride * static_cast<int64_t>(sizeof(T)) % 16 == 0;
}

// Sum over the warp, the same bits in every lane.
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}
template <class T>
__device__ __forceinline__ T warp_max(T x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, x, lanes);
    x = other > x ? other : x;
  }
  return x;
}

// Sum of the lanes up to this one, in an order that depends on the lane alone.
template <class T>
__device__ __forceinline__ T warp_prefix_sum(T x) {
  const unsigned lane = threadIdx.x % kWarp;
#pragma unroll
  for (unsigned distance = 1; distance < kWarp; distance *= 2) {
    const T other = __shfl_up_sync(kAllLanes, x, distance);
    if (lane >= distance) x += other;
  }
  return x;
}

// combine(combine(x of warp 0, x of warp 1), …) in every thread: the same bits in all of them and in every run. x is
// that of a whole warp. All threads call it; at most 1,024.
template <class T, class Combine>
__device__ __forceinline__ T combine_warps(T x, const Combine& combine) {
  __shared__ T of_warp[kWarp];
  const unsigned warp = threadIdx.x / kWarp, warps = (blockDim.x + kWarp - 1) / kWarp;
  __syncthreads();  // the last call's reads are over
  if (threadIdx.x % kWarp == 0) of_warp[warp] = x;
  __syncthreads();
  T all = of_warp[0];
  for (unsigned w = 1; w < warps; ++w) all = combine(all, of_warp[w]);
  return all;
}

// Sum and greatest value of the block, in every thread.
template <class T>
__device__ __forceinline__ T block_sum(T x) {
  return combine_warps(warp_sum(x), [](T a, T b) { return a + b; });
}
template <class T>
__device__ __forceinline__ T block_max(T x) {
  return combine_warps(warp_max(x), [](T a, T b) { return a > b ? a : b; });
}

}  // namespace bt::kernels
