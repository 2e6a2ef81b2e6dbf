// Tiles of cached keys and values in shared memory, one being copied while another is used.
#pragma once

#include "kernels/attention_tiles.cuh"

namespace bt::kernels {

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

  // Rows [first, first + 64) by all threads of the block, zeros from `end` on.
  __device__ __forceinline__ void copy(const Attention& work, int b, int g, int first, int end) const {
    const T *keys = cache_rows<T>(work.k, work.k_stride, b, g), *values = cache_rows<T>(work.v, work.v_stride, b, g);
    const auto rows_of = [&](const T* rows, int64_t stride) {
      return [=](int i) { return first + i < end ? rows + (first + i) * stride : nullptr; };
    };
    k.copy_rows(kRows, rows_of(keys, work.k_stride.head_or_row));
    v.copy_rows(kRows, rows_of(values, work.v_stride.head_or_row));
    for (int i = static_cast<int>(threadIdx.x); i < kRows; i += static_cast<int>(blockDim.x)) {
      position[i] = first + i < end ? seen_position(work, b, first + i) : kHiddenPosition;
    }
  }
};

// Calls use(tile, its first row) for tiles [begin, end) of the rows up to `rows`. All threads of the block come; shared
// memory holds two tiles.
template <class T, int D, class Use>
__device__ __forceinline__ void for_each_tile(const Attention& work, int b, int g, int begin, int end, int rows,
                                              const Use& use) {
  using Cached = CacheTile<T, D>;
  const auto copied = [&](int tile) { return Cached(shared_memory<unsigned char>() + (tile & 1) * Cached::kBytes); };
  if (begin < end) copied(begin).copy(work, b, g, begin * Cached::kRows, rows);
  commit_copies();
  for (int tile = begin; tile < end; ++tile) {
    if (tile + 1 < end) copied(tile + 1).copy(work, b, g, (tile + 1) * Cached::kRows, rows);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    use(copied(tile), tile * Cached::kRows);
    __syncthreads();  // read before the next copy but one begins
  }
}

// The packed rows of one block: those of its warps side by side, 16 each.
struct BlockOfRows {
  int b, g, first, end;  // rows [first, end) are real queries
  int before;            // cached rows before the first query

  __device__ __forceinline__ explicit BlockOfRows(const Attention& work)
      : b(static_cast<int>(blockIdx.x) / work.groups),
        g(static_cast<int>(blockIdx.x) % work.groups),
        first(static_cast<int>(blockIdx.y * blockDim.x / 2)) {
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

}  // namespace bt::kernels
