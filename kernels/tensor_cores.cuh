// Tensor-core products of 16-bit numbers and what feeds them: fragments spread over the lanes of a warp, and copies
// from global to shared memory that run beside the arithmetic. Names of fragments are the PTX manual's ("Matrix
// Fragments for mma.m16n8k16"): a is 16 x 16 by rows, b is 16 x 8 by columns, c is 16 x 8. Lane l is in row l / 4 of a
// and c and in column l / 4 of b; its place in the quad, l % 4, says which pair of neighbours it holds. sm_80 and
// later.
#pragma once

#include "kernels/device.cuh"

#if defined(__CUDACC__)

namespace bt::kernels {

// c += a b, in fp32.
template <class T>
__device__ __forceinline__ void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
__device__ __forceinline__ void multiply_add<bfloat16>(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ __forceinline__ void multiply_add<half>(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ unsigned shared_address(const void* in_shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(in_shared));
}

// Four matrices of 8 x 8, each transposed: lane l gives the address of row l % 8 of matrix l / 8 (16 bytes) and gets,
// of every matrix m, the pair in rows 2 (l % 4) and the next, column l / 4.
template <class T>
__device__ __forceinline__ void load_transposed(uint32_t (&to)[4], const T* row_in_shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row_in_shared))
               : "memory");
}

// 16 bytes, zeros where not valid. Seen by the thread that copied once it has waited, by others after a barrier.
template <class T>
__device__ __forceinline__ void copy_async(T* to_shared, const T* from_global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to_shared)), "l"(from_global),
               "r"(valid ? 16 : 0)
               : "memory");
}
// Ends a group of copies, which may be empty.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until at most Open of this thread's newest groups are under way.
template <int Open>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory");
}

// 2^x within 2 units in the last place; results below 2^-126 are 0.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// Within 2 units in the last place; 0 where y is at least 2^126.
__device__ __forceinline__ float fast_divide(float x, float y) { return __fdividef(x, y); }

}  // namespace bt::kernels

#else

#include "support/tensor_core_emulator.h"

#endif

namespace bt::kernels {

__device__ __forceinline__ float fast_exp(float x) { return fast_exp2(x * 1.4426950408889634f); }
// Within a few 2^-24 of the result's greatest size, 1.
__device__ __forceinline__ float fast_tanh(float x) { return 1 - fast_divide(2, 1 + fast_exp(2 * x)); }

// Two numbers rounded to 16 bits, the first in the low half, as fragments hold them.
template <class T>
__device__ __forceinline__ uint32_t pack_pair(float low, float high) {
  const T pair[2] = {narrow<T>(low), narrow<T>(high)};
  uint32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return bits;
}

struct alignas(8) Pair {
  float x, y;
};
template <class T>
__device__ __forceinline__ Pair unpack_pair(uint32_t bits) {
  T pair[2];
  memcpy(pair, &bits, sizeof(bits));
  return {widen(pair[0]), widen(pair[1])};
}

// Sum and maximum over the four lanes that hold one row of c, the same bits in each.
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

}  // namespace bt::kernels
