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

  // The k-th greatest key, two bits in every read of the row.
  __device__ __forceinline__ void keep_top_k(const PackedRow<T>& row, int64_t top_k) {
    constexpr int kCountBits = 21;  // columns are fewer
    constexpr uint64_t kCount = (uint64_t{1} << kCountBits) - 1;
    const uint32_t highest = ordered_key<T>(static_cast<float>(greatest));
    uint32_t kth = 0;
#pragma unroll 1
    for (int shift = (kOrderedBits<T> - 1) / 2 * 2; shift >= 0; shift -= 2) {
      const uint32_t step = 1u << shift, first = kth + step, second = first + step, third = second + step;
      if (first > highest) continue;
      int reach_first = 0, reach_second = 0, reach_third = 0;
      visit_row(row, [&](float x, int) {
        const uint32_t key = ordered_key<T>(x);
        reach_first += key >= first;
        reach_second += key >= second;
        reach_third += key >= third;
      });
      const uint64_t counts =
          block_sum(static_cast<uint64_t>(reach_first) | static_cast<uint64_t>(reach_second) << kCountBits |
                    static_cast<uint64_t>(reach_third) << (2 * kCountBits));
      const auto reaches_k = [&](int threshold) {
        return static_cast<int64_t>(counts >> (threshold * kCountBits) & kCount) >= top_k;
      };
      kth += step * static_cast<uint32_t>(reaches_k(0) + reaches_k(1) + reaches_k(2));
    }
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
