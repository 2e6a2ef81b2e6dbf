// Tiles of cached keys and values in shared memory, and the packed rows of a block that meets them.
#pragma once

#include "kernels/attention_tiles.cuh"
#include "kernels/tile_loop.cuh"

namespace bt::kernels {

// Cached row t is row t of k and v.
struct InPlace {
  __device__ __forceinline__ int operator()(int row) const { return row; }
};

// 64 rows of the cache.
template <class T, int D>
struct CacheTile {
  static constexpr int kRows = 64;
  static constexpr size_t kBytes = kRows * (2 * D * sizeof(T) + sizeof(int64_t));

  Tile<T, D> k, v;
  int64_t* position;  // kHiddenPosition where nobody sees the row

  __device__ __forceinline__ explicit CacheTile(unsigned char* bytes)
      : k{reinterpret_cast<T*>(bytes)},
        v{k.data + kRows * D},
        position(reinterpret_cast<int64_t*>(v.data + kRows * D)) {}

  // Rows [first, first + 64) by all threads of the block, zeros from `end` on. place(t): row of k and v that holds
  // cached row t.
  template <class Place = InPlace>
  __device__ __forceinline__ void copy(const Attention& work, int b, int g, int first, int end,
                                       const Place& place = {}) const {
    const CacheRows<T> keys(work.k, work.k_stride, b, g), values(work.v, work.v_stride, b, g);
    each_own_chunk<kRows, D>([&](int i, int chunk) {
      const bool exists = first + i < end;
      const int row = exists ? place(first + i) : 0;
      k.copy(i, chunk, keys.at(row), exists);
      v.copy(i, chunk, values.at(row), exists);
    });
    for (int i = static_cast<int>(threadIdx.x); i < kRows; i += static_cast<int>(blockDim.x)) {
      position[i] = first + i < end ? seen_position(work, b, first + i) : kHiddenPosition;
    }
  }
};

// The packed rows of one block: those of its warps side by side, 16 each. The last rows, which see most of the cache,
// are the first block's, since the longest work should not begin last.
struct BlockOfRows {
  int b, g, first, end;  // rows [first, end) are real queries
  int before;            // cached rows before the first query

  __device__ __forceinline__ explicit BlockOfRows(const Attention& work)
      : b(static_cast<int>(blockIdx.x) / work.groups),
        g(static_cast<int>(blockIdx.x) % work.groups),
        first(static_cast<int>((gridDim.y - 1 - blockIdx.y) * blockDim.x / 2)) {
    const auto queries = static_cast<int>(work.query_length[b]);
    end = min(first + static_cast<int>(blockDim.x / 2), queries * (work.heads / work.groups));
    before = static_cast<int>(work.length[b]) - queries;
  }
  // Cached rows that the last of them may see, and those that all of them may see as far as their order goes.
  __device__ __forceinline__ int seen_by_any(const Attention& work) const {
    return first < end ? before + (end - 1) / (work.heads / work.groups) + 1 : 0;
  }
  __device__ __forceinline__ int seen_by_all(const Attention& work) const {
    return before + first / (work.heads / work.groups) + 1;
  }
};

// Blocks of up to 8 warps for all packed rows of a sequence and group.
inline constexpr int kMostWarps = 8;
inline int warps_for(const Attention& a) { return min(kMostWarps, (a.queries * (a.heads / a.groups) + 15) / 16); }
inline unsigned blocks_for(const Attention& a) {
  const int rows = 16 * warps_for(a);
  return static_cast<unsigned>((a.queries * (a.heads / a.groups) + rows - 1) / rows);
}

}  // namespace bt::kernels
