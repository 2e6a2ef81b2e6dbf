// What both passes of attention's backward kernels do with a score.
#pragma once

#include "kernels/attention_tiles.cuh"
#include "kernels/segment_attention_backward.h"

namespace bt::kernels {

// The row of k and v that holds a cached row of a sequence.
struct PlaceInTable {
  const int64_t* table;  // of the sequence; null: the row itself

  __device__ __forceinline__ PlaceInTable(const SegmentAttentionBackward& work, int b)
      : table(work.table == nullptr ? nullptr : work.table + b * work.table_stride) {}
  __device__ __forceinline__ int64_t operator()(int row) const { return table == nullptr ? row : table[row]; }
};

// What to subtract from a query's scores: its log-sum-exp, or +inf, which leaves no probability, for padding (null) and
// for a query that saw nothing.
__device__ __forceinline__ float base_of(const float* lse) {
  return lse == nullptr || *lse == -INFINITY ? INFINITY : *lse;
}

// The probability of a product q.k, and its gradient over the scale, given that of the probability and delta, the sum
// of both over all rows.
struct Gradient {
  float p, of_product;

  __device__ __forceinline__ Gradient(const Scoring& scoring, float product, float base, float of_p, float delta) {
    const float score = scoring(product);
    p = fast_exp(score - base);
    of_product = p * (of_p - delta);
    if (scoring.cap > 0) {
      const float tanh = fast_divide(score, scoring.cap);
      of_product *= 1 - tanh * tanh;
    }
  }
};

// Row i of a lane, times the factor.
template <int D>
__device__ __forceinline__ void write_gradient(float* row, const float (&sum)[D / 8][4], int i, float factor) {
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < D / 8; ++n)
    *reinterpret_cast<Pair*>(row + 8 * n + pair) = {sum[n][2 * i] * factor, sum[n][2 * i + 1] * factor};
}

}  // namespace bt::kernels
