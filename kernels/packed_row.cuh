// A row of numbers that a block reads and writes 16 bytes at a time, wherever the row begins and ends: rows of 50,257
// logits begin at every address.
#pragma once

#include <cmath>

#include "kernels/device.cuh"

namespace bt::kernels {

// Packs are counted from the 16-byte boundary at or before the row. Those at its ends may be partly outside it: there
// nothing is read (-infinity stands in) and nothing is written.
template <class T>
class PackedRow {
 public:
  static constexpr int kSize = Pack<T>::kSize;

  __device__ __forceinline__ PackedRow(const T* row, int columns)
      : row_(row), columns_(columns), lead_(static_cast<int>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T))) {}

  __device__ __forceinline__ int packs() const { return (lead_ + columns_ + kSize - 1) / kSize; }
  // The column of a pack's first number; below 0 where that is outside.
  __device__ __forceinline__ int column(int pack) const { return pack * kSize - lead_; }
  __device__ __forceinline__ bool has(int column) const { return column >= 0 && column < columns_; }

  __device__ __forceinline__ void load(int pack, float (&x)[kSize]) const {
    is_whole(column(pack)) ? load_whole(pack, x) : load_ragged(pack, x);
  }

  // Calls f(pack, its numbers) for the packs of this thread, of all threads of the block, in ascending order. Whole
  // ones are read without asking, so that several reads are under way.
  template <class F>
  __device__ __forceinline__ void each_own_pack(const F& f) const {
    const int step = static_cast<int>(blockDim.x), whole = (lead_ + columns_) / kSize;
    int pack = static_cast<int>(threadIdx.x);
    if (pack == 0 && lead_ > 0) {
      visit_ragged(pack, f);
      pack += step;
    }
#pragma unroll 4
    for (; pack < whole; pack += step) {
      float x[kSize];
      load_whole(pack, x);
      f(pack, x);
    }
    if (pack < packs()) visit_ragged(pack, f);
  }

  // To the same place of the same row.
  __device__ __forceinline__ void store(T* row, int pack, const float (&x)[kSize]) const {
    const int first = column(pack);
    Pack<T> stored;
#pragma unroll
    for (int i = 0; i < kSize; ++i) stored.at[i] = narrow<T>(x[i]);
    if (is_whole(first)) return store_pack(row + first, stored);
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (has(first + i)) row[first + i] = stored.at[i];
    }
  }

 private:
  __device__ __forceinline__ void load_whole(int pack, float (&x)[kSize]) const {
    const Pack<T> loaded = load_pack(row_ + column(pack));
#pragma unroll
    for (int i = 0; i < kSize; ++i) x[i] = widen(loaded.at[i]);
  }
  __device__ __forceinline__ void load_ragged(int pack, float (&x)[kSize]) const {
    const int first = column(pack);
#pragma unroll
    for (int i = 0; i < kSize; ++i) x[i] = has(first + i) ? widen(row_[first + i]) : -INFINITY;
  }
  template <class F>
  __device__ __forceinline__ void visit_ragged(int pack, const F& f) const {
    float x[kSize];
    load_ragged(pack, x);
    f(pack, x);
  }
  __device__ __forceinline__ bool is_whole(int first) const { return first >= 0 && first + kSize <= columns_; }

  const T* row_;
  int columns_, lead_;
};

// Threads for a row: a warp at least, a pack each as far as `most` go.
template <class T>
unsigned threads_for_row(int columns, unsigned most) {
  const unsigned packs = static_cast<unsigned>(columns) / Pack<T>::kSize + 2, threads = (packs + 31) / 32 * kWarp;
  return threads < most ? threads : most;
}

}  // namespace bt::kernels
