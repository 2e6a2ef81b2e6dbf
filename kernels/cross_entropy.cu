// Every thread keeps the sums of its own columns relative to the greatest of them; the block brings them to the
// greatest of the row. Nothing but the row's own numbers decides the order of the sums.
#include <cfloat>
#include <climits>

#include "kernels/cross_entropy.h"
#include "kernels/packed_row.cuh"

namespace bt::kernels {
namespace {

__device__ __forceinline__ float softcapped(float x, float softcap) {
  return softcap > 0 ? softcap * tanhf(x / softcap) : x;
}

// What a thread has read. Finite from the start, so that a difference from it is never infinity - infinity.
struct Seen {
  float greatest = -FLT_MAX;
  int column = INT_MAX;  // of the greatest, the lowest among equals
  float sum = 0;         // of exp(x - greatest)
  float weighted = 0;    // of (x - greatest) exp(x - greatest)

  __device__ __forceinline__ void relate_to(float other) {
    const float difference = greatest - other, factor = expf(difference);
    weighted = factor > 0 ? factor * (weighted + difference * sum) : 0;
    sum *= factor;
    greatest = other;
  }

  __device__ __forceinline__ void add(float x) {
    const float difference = x - greatest, e = expf(difference);
    sum += e;
    weighted += e * fmaxf(difference, -FLT_MAX);  // 0 for -infinity
  }
};

// The numbers of a row as the loss sees them.
template <class T>
struct LogitRow {
  PackedRow<T> packed;
  float softcap;

  __device__ __forceinline__ void load(int pack, float (&x)[PackedRow<T>::kSize]) const {
    packed.load(pack, x);
    if (softcap <= 0) return;
    const int first = packed.column(pack);
#pragma unroll
    for (int i = 0; i < PackedRow<T>::kSize; ++i) {
      if (packed.has(first + i)) x[i] = softcapped(x[i], softcap);  // what is outside stays -infinity
    }
  }
};

template <int Size>
__device__ __forceinline__ void see_pack(const float (&x)[Size], int first, Seen& seen) {
  float greatest = x[0];
#pragma unroll
  for (int i = 1; i < Size; ++i) greatest = fmaxf(greatest, x[i]);
  if (greatest > seen.greatest) {  // seldom, after the first packs
    seen.relate_to(greatest);
    int column = 0;
#pragma unroll
    for (int i = Size - 1; i >= 0; --i) column = x[i] == greatest ? first + i : column;
    seen.column = column;
  }
#pragma unroll
  for (int i = 0; i < Size; ++i) seen.add(x[i]);
}

template <class T>
__device__ __forceinline__ Seen see_row(const LogitRow<T>& row) {
  Seen seen;
  const int packs = row.packed.packs(), step = static_cast<int>(blockDim.x);
#pragma unroll 2
  for (int pack = static_cast<int>(threadIdx.x); pack < packs; pack += step) {
    float x[PackedRow<T>::kSize];
    row.load(pack, x);
    see_pack(x, row.packed.column(pack), seen);
  }
  return seen;
}

// d nll / d x = (softmax - [column is the target]) * ds/dx, with ds/dx = 1 - (s / softcap)^2.
template <class T>
__device__ __forceinline__ void write_gradient(const LogitRow<T>& row, int64_t target, float greatest, float sum,
                                               T* gradient) {
  const int packs = row.packed.packs(), step = static_cast<int>(blockDim.x);
  const float per_sum = 1 / sum;
#pragma unroll 2
  for (int pack = static_cast<int>(threadIdx.x); pack < packs; pack += step) {
    const int first = row.packed.column(pack);
    float x[PackedRow<T>::kSize];
    row.load(pack, x);
#pragma unroll
    for (int i = 0; i < PackedRow<T>::kSize; ++i) {
      float d = expf(x[i] - greatest) * per_sum - (first + i == target ? 1.f : 0.f);
      if (row.softcap > 0) d *= 1 - (x[i] / row.softcap) * (x[i] / row.softcap);
      x[i] = d;
    }
    row.packed.store(gradient, pack, x);
  }
}

template <class T>
__global__ void __launch_bounds__(1024, 2) cross_entropy_row(CrossEntropy work) {
  const int64_t target = work.target[blockIdx.x];
  T* logits = static_cast<T*>(work.logits) + blockIdx.x * work.stride;
  const bool exists = target >= 0 && target < work.columns;
  const float chosen = exists ? softcapped(widen(logits[target]), work.softcap) : NAN;
  const LogitRow<T> row{PackedRow<T>(logits, work.columns), work.softcap};
  Seen seen = see_row(row);
  const float greatest = block_max(seen.greatest);
  const int column = -block_max(seen.greatest == greatest ? -seen.column : -INT_MAX);
  seen.relate_to(greatest);
  const float sum = block_sum(seen.sum);  // its barriers are behind every read of `chosen`
  const float weighted = work.entropy != nullptr ? block_sum(seen.weighted) : 0;
  if (threadIdx.x == 0) {
    work.nll[blockIdx.x] = logf(sum) - (chosen - greatest);
    work.correct[blockIdx.x] = column == target;
    if (work.entropy != nullptr) work.entropy[blockIdx.x] = logf(sum) - weighted / sum;
  }
  if (work.want_gradient) write_gradient(row, target, greatest, sum, logits);
}

template <class T>
void launch_rows(const CrossEntropy& work, Stream stream) {
  launch(cross_entropy_row<T>, dim3(static_cast<unsigned>(work.rows)), threads_for_row<T>(work.columns, 1024), 0,
         stream, work);
}

}  // namespace

void cross_entropy(const CrossEntropy& work, Stream stream) {
  if (work.rows == 0) return;
  with_type(work.element, [&](auto zero) { launch_rows<decltype(zero)>(work, stream); });
}

}  // namespace bt::kernels
