// Which numbers of a row may be drawn: temperature, top-k, top-p and min-p as bt/runtime/sampling.h has them.
#pragma once

#include <climits>

#include "kernels/ordered_bits.cuh"
#include "kernels/packed_row.cuh"

namespace bt::kernels {

// All numbers that are a thread's part of the row's, and -infinities from outside it.
template <class T, class Visit>
__device__ __forceinline__ void visit_row(const PackedRow<T>& row, const Visit& visit) {
  row.each_own_pack([&](int pack, const float(&x)[PackedRow<T>::kSize]) {
#pragma unroll
    for (int i = 0; i < PackedRow<T>::kSize; ++i) visit(x[i], row.column(pack) + i);
  });
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
    const uint32_t highest = ordered_key<T>(static_cast<float>(greatest));
    const uint32_t kth = greatest_key<T>([&](uint32_t least) {
      if (least > highest) return false;
      int count = 0;
      visit_row(row, [&](float x, int) { count += ordered_key<T>(x) >= least; });
      return block_sum(count) >= top_k;
    });
    floor = kth > floor ? kth : floor;
  }

  __device__ __forceinline__ void keep_top_p(const PackedRow<T>& row, double top_p) {
    const auto mass = [&](uint32_t first, uint32_t last) {  // of keys [first, last]
      double sum = 0;
      visit_row(row, [&](float x, int) {
        const uint32_t key = ordered_key<T>(x);
        if (key >= first && key <= last) sum += raw_weight(x);
      });
      return block_sum(sum);
    };
    // The keys that may be the border, [floor, last], and the mass of those above. One token is kept at least.
    uint32_t last = ordered_key<T>(static_cast<float>(greatest));
    const double share = top_p * mass(floor, last);
    double above = 0;
    floor = greatest_key<T>([&](uint32_t key) {
      if (key <= floor || key > last) return key <= floor;
      const double from_here = above + mass(key, last);
      if (from_here >= share) return true;
      last = key - 1;
      above = from_here;
      return false;
    });
    const double each = raw_weight(value_of_key<T>(floor));
    double needed = ceil((share - above) / each);
    if (above + (needed - 1) * each >= share) needed -= 1;  // the division was rounded up
    ties = needed > 1 ? static_cast<int>(fmin(needed, static_cast<double>(INT_MAX))) : 1;
  }
};

}  // namespace bt::kernels
