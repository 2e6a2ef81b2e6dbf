// The k-th greatest mass is searched bit by bit, since numbers >= 0 are ordered as their bits are: every pass counts,
// nothing is sorted. Places of the rows chosen are a prefix sum.
#include "kernels/device.cuh"
#include "kernels/select_top.h"

namespace bt::kernels {
namespace {

// What is compared: the bits of a mass, -1 where the row cannot be chosen.
__device__ __forceinline__ int select_key(float mass) { return mass >= 0 ? __float_as_int(mass + 0.f) : -1; }

// Rows of one thread that are above the threshold and at it, turned into their places among those of all threads.
struct SelectPlaces {
  int above = 0, equal = 0;          // before this thread's own
  int all_above = 0, all_equal = 0;  // of all threads
};

__device__ __forceinline__ SelectPlaces places_in_warp(int above, int equal) {
  const int to_above = warp_prefix_sum(above), to_equal = warp_prefix_sum(equal), last = static_cast<int>(kWarp) - 1;
  return {to_above - above, to_equal - equal, __shfl_sync(kAllLanes, to_above, last),
          __shfl_sync(kAllLanes, to_equal, last)};
}

__device__ __forceinline__ SelectPlaces places_in_block(int above, int equal) {
  __shared__ int of_warp[2][kWarp];
  const unsigned warp = threadIdx.x / kWarp;
  SelectPlaces places = places_in_warp(above, equal);
  if (threadIdx.x % kWarp == 0) {
    of_warp[0][warp] = places.all_above;
    of_warp[1][warp] = places.all_equal;
  }
  __syncthreads();
  places.all_above = places.all_equal = 0;
  for (unsigned w = 0; w < blockDim.x / kWarp; ++w) {
    if (w == warp) {
      places.above += places.all_above;
      places.equal += places.all_equal;
    }
    places.all_above += of_warp[0][w];
    places.all_equal += of_warp[1][w];
  }
  return places;
}

// Writes one row if it is chosen, and counts it. `need`: how many at the threshold are chosen.
__device__ __forceinline__ void select_row(int key, int row, int threshold, int need, SelectPlaces& places,
                                           int64_t* chosen) {
  if (key > threshold) {
    chosen[places.above + min(places.equal, need)] = row;
    ++places.above;
  } else if (key == threshold) {
    if (places.equal < need) chosen[places.above + places.equal] = row;
    ++places.equal;
  }
}

__device__ __forceinline__ void fill_rest(const SelectPlaces& places, int need, int k, int first, int step,
                                          int64_t* chosen) {
  for (int i = places.all_above + min(places.all_equal, need) + first; i < k; i += step) chosen[i] = -1;
}

// The greatest value that at least k keys reach, 0 where fewer keys are there. count(value): keys >= value, of all
// threads.
template <class Count>
__device__ __forceinline__ int select_threshold(int k, const Count& count) {
  int threshold = 0;
#pragma unroll 1
  for (int bit = 30; bit >= 0; --bit) {
    const int value = threshold | 1 << bit, reached = count(value, bit);
    if (reached < k) continue;
    threshold = value;
    if (reached == k) break;
  }
  return threshold;
}

// A warp for every event; its rows in registers, Items side by side in every lane.
template <int Items>
__global__ void select_top_warp(SelectTop work) {
  const int event = static_cast<int>(blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp);
  if (event >= work.events) return;
  const int lane = static_cast<int>(threadIdx.x % kWarp), base = lane * Items;
  const float* mass = work.mass + event * work.stride;
  int key[Items];
#pragma unroll
  for (int i = 0; i < Items; ++i) key[i] = base + i < work.rows ? select_key(mass[base + i]) : -1;
  const int threshold = select_threshold(work.k, [&](int value, int) {
    int count = 0;
#pragma unroll
    for (int i = 0; i < Items; ++i) count += key[i] >= value;
    return __reduce_add_sync(kAllLanes, count);
  });
  int above = 0, equal = 0;
#pragma unroll
  for (int i = 0; i < Items; ++i) {
    above += key[i] > threshold;
    equal += key[i] == threshold;
  }
  SelectPlaces places = places_in_warp(above, equal);
  const int need = work.k - places.all_above;
  int64_t* chosen = work.chosen + static_cast<int64_t>(event) * work.k;
  fill_rest(places, need, work.k, lane, kWarp, chosen);
#pragma unroll
  for (int i = 0; i < Items; ++i) select_row(key[i], base + i, threshold, need, places, chosen);
}

// Number of keys of all threads of the block that reach a value. One barrier a bit: every bit has a counter of its own.
__device__ __forceinline__ int count_in_block(int count, int* of_bit) {
  count = __reduce_add_sync(kAllLanes, count);
  if (threadIdx.x % kWarp == 0 && count > 0) atomicAdd(of_bit, count);  // whole numbers: any order gives the same
  __syncthreads();
  return *of_bit;
}

// A block for every event. keys(i) gives key i of the thread's own rows, which lie side by side from `base` on.
template <class Keys>
__device__ __forceinline__ void select_in_block(const SelectTop& work, int base, int items, const Keys& keys) {
  __shared__ int count_of_bit[kWarp];
  if (threadIdx.x < kWarp) count_of_bit[threadIdx.x] = 0;
  __syncthreads();
  const int threshold = select_threshold(work.k, [&](int value, int bit) {
    int count = 0;
#pragma unroll
    for (int i = 0; i < items; ++i) count += keys(i) >= value;
    return count_in_block(count, &count_of_bit[bit]);
  });
  int above = 0, equal = 0;
#pragma unroll
  for (int i = 0; i < items; ++i) {
    above += keys(i) > threshold;
    equal += keys(i) == threshold;
  }
  SelectPlaces places = places_in_block(above, equal);
  const int need = work.k - places.all_above;
  int64_t* chosen = work.chosen + static_cast<int64_t>(blockIdx.x) * work.k;
  fill_rest(places, need, work.k, static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x), chosen);
#pragma unroll
  for (int i = 0; i < items; ++i) select_row(keys(i), base + i, threshold, need, places, chosen);
}

template <int Threads, int Items>
__global__ void __launch_bounds__(Threads) select_top_block(SelectTop work) {
  const int base = static_cast<int>(threadIdx.x) * Items;
  const float* mass = work.mass + blockIdx.x * work.stride;
  int key[Items];
#pragma unroll
  for (int i = 0; i < Items; ++i) key[i] = base + i < work.rows ? select_key(mass[base + i]) : -1;
  select_in_block(work, base, Items, [&](int i) { return key[i]; });
}

// For more rows than registers hold: every pass reads them again.
__global__ void __launch_bounds__(1024) select_top_long(SelectTop work) {
  const int items = (work.rows + static_cast<int>(blockDim.x) - 1) / static_cast<int>(blockDim.x);
  const int base = static_cast<int>(threadIdx.x) * items;
  const float* mass = work.mass + blockIdx.x * work.stride;
  select_in_block(work, base, items, [&](int i) { return base + i < work.rows ? select_key(mass[base + i]) : -1; });
}

}  // namespace

void select_top(const SelectTop& work, Stream stream) {
  if (work.events == 0 || work.k == 0) return;
  const auto blocks = static_cast<unsigned>(work.events);
  const auto by_warp = [&](auto* kernel) {
    constexpr unsigned kWarps = 4;
    launch(kernel, dim3((blocks + kWarps - 1) / kWarps), kWarps * kWarp, 0, stream, work);
  };
  if (work.rows <= 128) return by_warp(select_top_warp<4>);
  if (work.rows <= 320) return by_warp(select_top_warp<10>);
  if (work.rows <= 1024) return by_warp(select_top_warp<32>);
  if (work.rows <= 4096) return launch(select_top_block<256, 16>, dim3(blocks), 256, 0, stream, work);
  if (work.rows <= 32768) return launch(select_top_block<1024, 32>, dim3(blocks), 1024, 0, stream, work);
  launch(select_top_long, dim3(blocks), 1024, 0, stream, work);
}

}  // namespace bt::kernels
