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
  __device__ __forceinline__ int operator()(int row) const {
    return table == nullptr ? row : static_cast<int>(table[row]);
  }
};

// What to subtract from a query's scores: its log-sum-exp, or +inf, which leaves no probability, for padding (null) and
// for a query that saw nothing.
__device__ __forceinline__ float base_of(const float* lse) {
  return lse == nullptr || *lse == -INFINITY ? INFINITY : *lse;
}

// Probabilities in place of products q.k, and the gradients of these, over the scale, in place of those of the
// probabilities. base(n, i), delta(n, i): of the query of a product; delta is the sum of both over all rows.
template <int N, class Base, class Delta>
__device__ __forceinline__ void to_gradients(float (&p)[N][4], float (&d)[N][4], const Scoring& scoring,
                                             const Base& base, const Delta& delta) {
  scoring.apply(p);
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) d[n][i] -= delta(n, i);
  }
  if (scoring.cap > 0) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float tanh = fast_divide(p[n][i], scoring.cap);
        d[n][i] *= 1 - tanh * tanh;
      }
    }
  }
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      p[n][i] = fast_exp(p[n][i] - base(n, i));
      d[n][i] *= p[n][i];
    }
  }
}

// Row i of a lane, times the factor.
template <int D>
__device__ __forceinline__ void write_gradient(float* row, const float (&sum)[D / 8][4], int i, float factor) {
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < D / 8; ++n)
    *reinterpret_cast<Pair*>(row + 8 * n + pair) = {sum[n][2 * i] * factor, sum[n][2 * i + 1] * factor};
}

}  // namespace bt::kernels
