// How the kernels of cache rows divide the work: a warp for every line, one half (keys or values) of one slot's entry.
#pragma once

#include "kernels/cache_rows.h"
#include "kernels/device.cuh"

namespace bt::kernels {

inline constexpr unsigned kLinesOfBlock = 8;

// One half of a slot's entry and the row of keys or values that it names.
struct Line {
  unsigned number, event, slot, half;
  int64_t sequence;
  int64_t row;  // below 0: none

  // The number counts over [events, slots, 2].
  __device__ __forceinline__ Line(const CacheRows& cache, unsigned line) : number(line), half(line % 2) {
    const unsigned entry = line / 2, slots = cache.slots;
    event = entry / slots;
    slot = entry % slots;
    row = cache.chosen[entry];
    sequence = cache.place == nullptr ? event : cache.place[event];
    if (row >= cache.rows || sequence < 0 || sequence >= cache.sequences) __trap();
  }
};

__device__ __forceinline__ unsigned line_of_warp() { return blockIdx.x * kLinesOfBlock + threadIdx.x / kWarp; }
__host__ __device__ __forceinline__ unsigned lines_of(const CacheRows& cache) {
  return 2u * static_cast<unsigned>(cache.events) * static_cast<unsigned>(cache.slots);
}
__host__ __device__ __forceinline__ int half_of(const CacheRows& cache) { return cache.groups * cache.width; }

// All heads of one row of the keys or the values.
template <class T>
struct Heads {
  T* first;
  int64_t by_group;
  unsigned width;

  __device__ __forceinline__ Heads(const CacheRows& cache, const Line& line) : width(cache.width) {
    const CacheRows::Part& part = line.half == 0 ? cache.k : cache.v;
    by_group = part.by_group;
    first = static_cast<T*>(part.data) + line.sequence * part.by_sequence + line.row * part.by_row;
  }
  __device__ __forceinline__ T* at(int i) const {
    const unsigned element = i, group = element / width;
    return first + group * by_group + (element - group * width);
  }
};

template <class... Parameters, class... Arguments>
void launch_lines(void (*kernel)(CacheRows, Parameters...), const CacheRows& cache, Stream stream,
                  Arguments... arguments) {
  const unsigned blocks = (lines_of(cache) + kLinesOfBlock - 1) / kLinesOfBlock;
  if (blocks == 0 || half_of(cache) == 0) return;
  launch(kernel, dim3(blocks), kLinesOfBlock * kWarp, 0, stream, cache, arguments...);
}

// The widest unit that all addresses, strides and the width are multiples of, in bytes.
inline int unit_of(const CacheRows& cache, const void* entries) {
  const auto bytes = [&](int64_t elements) { return static_cast<uintptr_t>(elements * cache.element_bytes); };
  uintptr_t all = reinterpret_cast<uintptr_t>(entries) | bytes(cache.width);
  for (const CacheRows::Part& part : {cache.k, cache.v}) {
    all |= reinterpret_cast<uintptr_t>(part.data) | bytes(part.by_sequence) | bytes(part.by_group) | bytes(part.by_row);
  }
  return all % 16 == 0 ? 16 : all % 4 == 0 ? 4 : 2;
}

}  // namespace bt::kernels
