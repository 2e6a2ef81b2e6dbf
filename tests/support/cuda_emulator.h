// Runs kernels on a host without a GPU: a block's threads are fibers that take turns at barriers and warp operations.
// For tests of what a kernel computes, not of its speed. What CUDA leaves undefined is an error where it can be seen:
// threads that never meet at a barrier, dynamic shared memory that was never written (it holds NaN). A missing barrier
// shows as a result that depends on the order in which threads run (Order). Built with AddressSanitizer, accesses
// outside an array are errors too. One launch at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "kernels/types.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after the other

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3() = default;
  dim3(unsigned x_size, unsigned y_size = 1, unsigned z_size = 1) : x(x_size), y(y_size), z(z_size) {}  // NOLINT
};

namespace bt::emulator {

// Which of the threads that can go on does so first.
enum class Order { ascending, descending, shuffled };
void set_order(Order order);  // of the launches that follow
Order order();

// The thread that runs now.
struct Thread {
  uint3 index, block_index;
  dim3 block, grid;
  unsigned lane() const { return index.x % 32; }
};
const Thread& current();

void sync_block();
void sync_warp(unsigned mask);
// Every lane of the mask gives kSlot bytes at most and sees those of all lanes, valid up to its next exchange.
inline constexpr int kSlot = 32;
const unsigned char* exchange(unsigned mask, const void* bytes, size_t size);  // [32][kSlot]
unsigned char* shared_bytes();
[[noreturn]] void fatal(const char* what);

// Runs body() for every thread of every block. Throws std::runtime_error for threads that wait for ever.
void run(dim3 grid, unsigned threads, size_t shared_bytes, const std::function<void()>& body);

}  // namespace bt::emulator

#define threadIdx (::bt::emulator::current().index)
#define blockIdx (::bt::emulator::current().block_index)
#define blockDim (::bt::emulator::current().block)
#define gridDim (::bt::emulator::current().grid)

inline void __syncthreads() { bt::emulator::sync_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { bt::emulator::sync_warp(mask); }

template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  T out;
  std::memcpy(&out, bt::emulator::exchange(mask, &value, sizeof(T)) + bt::emulator::kSlot * (lane % 32), sizeof(T));
  return out;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return __shfl_sync(mask, value, static_cast<int>(bt::emulator::current().lane()) ^ bits);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned count) {
  const unsigned lane = bt::emulator::current().lane();
  return __shfl_sync(mask, value, static_cast<int>(lane < count ? lane : lane - count));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int count) {
  const int lane = static_cast<int>(bt::emulator::current().lane());
  return __shfl_sync(mask, value, lane + count > 31 ? lane : lane + count);
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
  const unsigned char* votes = bt::emulator::exchange(mask, &vote, 1);
  unsigned out = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) != 0 && votes[bt::emulator::kSlot * lane] != 0) out |= 1u << lane;
  }
  return out;
}
inline bool __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }
inline int __reduce_add_sync(unsigned mask, int value) {
  const unsigned char* values = bt::emulator::exchange(mask, &value, sizeof(int));
  int sum = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    int one = 0;
    std::memcpy(&one, values + bt::emulator::kSlot * lane, sizeof(int));
    if ((mask >> lane & 1) != 0) sum += one;
  }
  return sum;
}
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline int __ffs(unsigned x) { return __builtin_ffs(static_cast<int>(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
[[noreturn]] inline void __trap() { bt::emulator::fatal("the kernel trapped"); }

template <class T>
T __ldg(const T* from) {
  return *from;
}
template <class T>
T __ldcs(const T* from) {
  return *from;
}
template <class T>
T atomicAdd(T* to, T value) {
  return std::exchange(*to, *to + value);
}
inline int __float_as_int(float x) {
  int bits = 0;
  std::memcpy(&bits, &x, sizeof(x));
  return bits;
}
inline unsigned __float_as_uint(float x) { return static_cast<unsigned>(__float_as_int(x)); }
inline float __uint_as_float(unsigned bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// The 16-bit types, with CUDA's conversions.
struct EmulatedBfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(EmulatedBfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out = 0;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}
inline EmulatedBfloat16 __float2bfloat16_rn(float x) {
  uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof(x));
  if (std::isnan(x)) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline float __half2float(_Float16 x) { return static_cast<float>(x); }
inline _Float16 __float2half_rn(float x) { return static_cast<_Float16>(x); }

namespace bt::kernels {

using bfloat16 = EmulatedBfloat16;
using half = _Float16;

template <class T>
T* shared_memory() {
  return reinterpret_cast<T*>(emulator::shared_bytes());
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared_bytes, Stream /*stream*/,
            Arguments&&... arguments) {
  emulator::run(grid, threads, shared_bytes, [&] { kernel(arguments...); });
}

}  // namespace bt::kernels
