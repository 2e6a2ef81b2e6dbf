// Which numbers of a row may be drawn: temperature, top-k, top-p and min-p as bt/runtime/sampling.h has them.
#pragma once

#include <climits>

#include "kernels/ordered_bits.cuh"
#include "kernels/packed_row.cuh"

namespace bt::kernels {

// All numbers that are a thread's part of the row's, and -infinities from outside it.
template <class T, class Visit>
__device__ __forceinline__ void visit_row(const PackedRow<T>& row, const Visit& visit) {
  const int packs = row.packs(), step = static_cast<int>(blockDim.x);
#pragma unroll 2
  for (int pack = static_cast<int>(threadIdx.x); pack < packs; pack += step) {
    float x[PackedRow<T>::kSize];
    row.load(pack, x);
#pragma unroll
    for (int i = 0; i < PackedRow<T>::kSize; ++i) visit(x[i], row.column(pack) + i);
  }
}

// What of a row may be drawn, and with what weight.
template <class T>
struct Candidates {
  double greatest, temperature, min_p;
  uint32_t floor = ordered_key<T>(-INFINITY) + 1;  // all keys above it
  int ties = INT_MAX;                              // so many of those at it, the lower columns

  __device__ __forceinline__ double raw_weight(float x) const {
    return exp((static_cast<double>(x) - greatest) / temperature);
  }
  // Counts the ties in `rank`.
  __device__ __forceinline__ double weight(float x, int& rank) const {
    const uint32_t key = ordered_key<T>(x);
    if (key < floor || (key == floor && rank++ >= ties)) return 0;
    const double weight = raw_weight(x);
    return weight >= min_p ? weight : 0;
  }

  __device__ __forceinline__ void keep_top_k(const PackedRow<T>& row, int64_t top_k) {
    const uint32_t kth = greatest_key<T>(static_cast<int>(top_k), [&](uint32_t least) {
      int count = 0;
      visit_row(row, [&](float x, int) { count += ordered_key<T>(x) >= least; });
      return block_sum(count);
    });
    floor = kth > floor ? kth : floor;
  }

  __device__ __forceinline__ void keep_top_p(const PackedRow<T>& row, double top_p) {
    const auto mass = [&](uint32_t least) {
      const uint32_t from = least > floor ? least : floor;
      double sum = 0;
      visit_row(row, [&](float x, int) {
        if (ordered_key<T>(x) >= from) sum += raw_weight(x);
      });
      return block_sum(sum);
    };
    const double share = top_p * mass(0);
    const uint32_t key = greatest_key<T>(share, mass), highest = ordered_key<T>(static_cast<float>(greatest));
    const uint32_t border = key < highest ? key : highest;  // one token at least
    const double above = mass(border + 1), each = raw_weight(value_of_key<T>(border));
    double needed = ceil((share - above) / each);
    if (above + (needed - 1) * each >= share) needed -= 1;  // the division was rounded up
    floor = border;
    ties = needed > 1 ? static_cast<int>(fmin(needed, static_cast<double>(INT_MAX))) : 1;
  }
};

}  // namespace bt::kernels
