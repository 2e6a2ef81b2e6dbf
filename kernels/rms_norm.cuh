// What the norm's forward and backward kernels share: who computes a row, and what its numbers are multiplied by.
#pragma once

#include "kernels/elementwise.cuh"
#include "kernels/rms_norm.h"

namespace bt::kernels {

inline constexpr int kPacks = 2;  // of a row in the registers of a thread
inline constexpr unsigned kNarrowThreads = 128, kMostThreads = 512;

inline int pack_size(Element type) { return type == Element::fp32 ? 4 : 8; }

// The threads that share a row.
struct Team {
  bool wide;         // a block; else `lanes` of a warp, a power of two
  int lanes;         // also of a block, where it is all its threads
  unsigned threads;  // of a block

  int rows() const { return static_cast<int>(threads) / lanes; }  // that a block computes at a time
};

inline Team team_of(int width, Element type) {
  const int packs = width / pack_size(type), warp = static_cast<int>(kWarp);
  if (packs > warp * kPacks) {
    const int threads = (packs + kPacks * warp - 1) / (kPacks * warp) * warp;
    return {true, threads, static_cast<unsigned>(threads)};
  }
  int lanes = 1;
  while (lanes * kPacks < packs) lanes *= 2;
  return {false, lanes, kNarrowThreads};
}

inline unsigned blocks_of(int rows, int rows_of_block) {
  return (static_cast<unsigned>(rows) + static_cast<unsigned>(rows_of_block) - 1) /
         static_cast<unsigned>(rows_of_block);
}

// Sum over groups of `lanes` lanes side by side, the same bits in each of them.
__device__ __forceinline__ float lanes_sum(float x, int lanes) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

// A thread's packs of a row, all asked for before the first is used.
template <class T>
__device__ __forceinline__ void load_packs(const void* row, int thread, int threads, int packs, Pack<T> (&to)[kPacks]) {
  each_pack<kPacks>(thread, threads, packs,
                    [&](int i, int pack) { to[i] = load_pack(static_cast<const T*>(row) + pack * Pack<T>::kSize); });
}

template <class T>
__device__ __forceinline__ float norm_factor(T weight, float offset, bool rounds_last) {
  const float factor = widen(weight) + offset;
  return rounds_last ? factor : rounded<T>(factor);
}

}  // namespace bt::kernels
