// A row is read again for every bit or two of a threshold instead of being sorted. The draw goes over the warps' sums
// first and then through the run of columns of one warp.
#include "kernels/candidates.cuh"
#include "kernels/philox.cuh"
#include "kernels/sampling.h"

namespace bt::kernels {
namespace {

constexpr unsigned kDrawThreads = 512;  // as many as the fp64 units keep busy, with registers for each

__global__ void __launch_bounds__(256) penalise_row(Penalty work) {
  float* logits = work.logits + blockIdx.x * work.stride;
  const int64_t begin = blockIdx.x > 0 ? work.end[blockIdx.x - 1] : 0, end = work.end[blockIdx.x];
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const int32_t id = work.id[i];
    if (id < 0 || id >= work.columns) continue;
    logits[id] = logits[id] > 0 ? logits[id] / work.penalty : logits[id] * work.penalty;
  }
}

struct Best {
  float value = -INFINITY;  // +infinity where the row holds NaN
  int column = INT_MAX;     // the lowest among equals
};

template <class T>
__device__ __forceinline__ Best best_of_row(const PackedRow<T>& row) {
  Best own;
  visit_row(row, [&](float x, int column) {
    const float known = x == x ? x : INFINITY;
    if (known > own.value) own = {known, column};
  });
  const float greatest = block_max(own.value);
  return {greatest, -block_max(own.value == greatest ? -own.column : -INT_MAX)};
}

template <class T>
__device__ __forceinline__ PackedRow<T> row_of_block(const Sampling& work) {
  return {static_cast<const T*>(work.logits) + blockIdx.x * work.stride, work.columns};
}

template <class T>
__global__ void __launch_bounds__(1024) take_greatest(Sampling work) {
  const Best best = best_of_row(row_of_block<T>(work));
  if (threadIdx.x == 0) work.token[blockIdx.x] = fabsf(best.value) < INFINITY ? best.column : -1;
}

// Packs of one warp: runs that follow each other, so that their sums are in the order of columns.
struct Run {
  int begin, end;
};
__device__ __forceinline__ Run run_of_warp(int packs, int warp) {
  const int warps = static_cast<int>(blockDim.x / kWarp), each = (packs + warps - 1) / warps;
  return {min(packs, warp * each), min(packs, (warp + 1) * each)};
}

// What is before a run: the weights drawn from and the ties.
struct Reached {
  int warp = 0;
  double mass = 0;
  int ties = 0;
};

// The run in which the weights, added up, exceed the uniform's share of their sum; and that share.
template <class T>
__device__ __forceinline__ Reached find_run(const PackedRow<T>& row, const Candidates<T>& kept, double uniform,
                                            double& aim) {
  __shared__ double above_of_warp[kWarp];
  __shared__ int ties_of_warp[kWarp];
  const int warp = static_cast<int>(threadIdx.x / kWarp), warps = static_cast<int>(blockDim.x / kWarp);
  const Run run = run_of_warp(row.packs(), warp);
  double above = 0;
  int ties = 0;
  for (int pack = run.begin + static_cast<int>(threadIdx.x % kWarp); pack < run.end; pack += kWarp) {
    float x[PackedRow<T>::kSize];
    row.load(pack, x);
#pragma unroll
    for (int i = 0; i < PackedRow<T>::kSize; ++i) {
      const bool tied = ordered_key<T>(x[i]) == kept.floor;
      int no_ties = 0;
      if (!tied) above += kept.weight(x[i], no_ties);
      ties += tied;
    }
  }
  above = warp_sum(above);
  ties = warp_sum(ties);
  if (threadIdx.x % kWarp == 0) {
    above_of_warp[warp] = above;
    ties_of_warp[warp] = ties;
  }
  __syncthreads();
  int none = 0;
  const double each = kept.weight(value_of_key<T>(kept.floor), none);
  const auto mass_of = [&](int w, int ties_before) {
    const int taken = min(ties_of_warp[w], max(kept.ties - ties_before, 0));
    return above_of_warp[w] + (taken > 0 ? taken * each : 0);
  };
  double total = 0;
  for (int w = 0, seen = 0; w < warps; seen += ties_of_warp[w++]) total += mass_of(w, seen);
  aim = uniform * total;
  Reached found, now;
  for (now.warp = 0; now.warp < warps; now.ties += ties_of_warp[now.warp++]) {
    const double mass = mass_of(now.warp, now.ties);
    if (!(mass > 0)) continue;
    found = now;
    if (now.mass + mass > aim) break;
    now.mass += mass;
  }
  return found;
}

// The column at which the weights of one run exceed the aim; the last of them where rounding keeps them below.
template <class T>
__device__ __forceinline__ int draw_in_run(const PackedRow<T>& row, const Candidates<T>& kept, Reached reached,
                                           double aim) {
  constexpr int kSize = PackedRow<T>::kSize;
  const Run run = run_of_warp(row.packs(), reached.warp);
  const int lane = static_cast<int>(threadIdx.x % kWarp), last_lane = static_cast<int>(kWarp) - 1;
  int last = -1;
  for (int tile = run.begin; tile < run.end; tile += kWarp) {
    const int pack = tile + lane, first = row.column(pack);
    float x[kSize];
    if (pack < run.end) row.load(pack, x);
    int ties = 0;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      x[i] = pack < run.end ? x[i] : -INFINITY;
      ties += ordered_key<T>(x[i]) == kept.floor;
    }
    const int ties_to_here = warp_prefix_sum(ties);
    int rank = reached.ties + ties_to_here - ties;
    double weight[kSize], own = 0;
#pragma unroll
    for (int i = 0; i < kSize; ++i) own += weight[i] = kept.weight(x[i], rank);
    const double to_here = warp_prefix_sum(own), to_lane = __shfl_up_sync(kAllLanes, to_here, 1);
    double sum = reached.mass + (lane > 0 ? to_lane : 0);
    int column = -1;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      sum += weight[i];
      if (!(weight[i] > 0)) continue;
      last = first + i;
      if (column < 0 && sum > aim) column = last;
    }
    const unsigned found = __ballot_sync(kAllLanes, column >= 0);
    if (found != 0) return __shfl_sync(kAllLanes, column, __ffs(found) - 1);
    reached.mass += __shfl_sync(kAllLanes, to_here, last_lane);
    reached.ties += __shfl_sync(kAllLanes, ties_to_here, last_lane);
  }
  return warp_max(last);
}

template <class T>
__global__ void __launch_bounds__(kDrawThreads) draw_token(Sampling work) {
  const PackedRow<T> row = row_of_block<T>(work);
  const Best best = best_of_row(row);
  if (!(fabsf(best.value) < INFINITY)) {
    if (threadIdx.x == 0) work.token[blockIdx.x] = -1;
    return;
  }
  Candidates<T> kept{static_cast<double>(best.value), work.temperature, work.min_p};
  if (work.top_k > 0 && work.top_k < work.columns) kept.keep_top_k(row, work.top_k);
  if (work.top_p < 1) kept.keep_top_p(row, work.top_p);
  const int64_t* key = work.key + 2 * static_cast<int64_t>(blockIdx.x);
  double aim = 0;
  const Reached reached =
      find_run(row, kept, first_uniform(work.seed, static_cast<uint64_t>(key[0]), static_cast<uint64_t>(key[1])), aim);
  if (static_cast<int>(threadIdx.x / kWarp) != reached.warp) return;
  const int column = draw_in_run(row, kept, reached, aim);
  if (threadIdx.x % kWarp == 0) work.token[blockIdx.x] = column;
}

template <class T>
void launch_rows(const Sampling& work, Stream stream) {
  const dim3 grid(static_cast<unsigned>(work.rows));
  if (work.temperature <= 0)
    return launch(take_greatest<T>, grid, threads_for_row<T>(work.columns, 1024), 0, stream, work);
  launch(draw_token<T>, grid, threads_for_row<T>(work.columns, kDrawThreads), 0, stream, work);
}

}  // namespace

void penalise(const Penalty& work, Stream stream) {
  if (work.rows > 0) launch(penalise_row, dim3(static_cast<unsigned>(work.rows)), 256, 0, stream, work);
}

void sample(const Sampling& work, Stream stream) {
  if (work.rows == 0) return;
  with_type(work.element, [&](auto zero) { launch_rows<decltype(zero)>(work, stream); });
}

}  // namespace bt::kernels
