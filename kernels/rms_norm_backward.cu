#include "kernels/rms_norm.cuh"

namespace bt::kernels {
namespace {

// Where dweight is wanted: enough rows for a team that parts are few beside them, enough blocks to keep memory busy.
constexpr int kRowsOfTeam = 8;
constexpr unsigned kMostBlocks = 1024;

// The part of dweight that a thread sums over its rows.
template <class T>
struct WeightSums {
  float at[kPacks][Pack<T>::kSize] = {};
};

// One row; every thread of the team calls it, also where the row is past the last.
template <class T, class Sum>
__device__ __forceinline__ void row_gradient(const RmsNormBackward& work, int64_t row, int thread, int threads,
                                             const Pack<T> (&weight)[kPacks], WeightSums<T>& dweight,
                                             const Sum& team_sum) {
  constexpr int kSize = Pack<T>::kSize;
  const bool real = row < work.rows;
  const int packs = real ? work.width / kSize : 0;
  const int64_t begin = row * work.width;
  const float scale = real ? work.scale[row] : 0;
  const auto factor = [&](int i, int e) { return norm_factor<T>(weight[i].at[e], work.offset, work.rounds_last); };
  Pack<T> x[kPacks], dy[kPacks], d_sum[kPacks] = {};
  load_packs(static_cast<const T*>(work.x) + begin, thread, threads, packs, x);
  load_packs(static_cast<const T*>(work.dy) + begin, thread, threads, packs, dy);
  if (work.d_sum != nullptr) {
    load_packs(static_cast<const T*>(work.d_sum) + begin, thread, threads, packs, d_sum);
  }
  float sum = 0;
  each_pack<kPacks>(thread, threads, packs, [&](int i, int) {
    each_element<T>([&](int e) {
      const float product = widen(dy[i].at[e]) * widen(x[i].at[e]);
      sum += product * factor(i, e);
      dweight.at[i][e] += product * scale;
    });
  });
  const float pull = team_sum(sum) * scale * scale * scale / static_cast<float>(work.width);
  each_pack<kPacks>(thread, threads, packs, [&](int i, int pack) {
    each_element<T>([&](int e) {
      const float own = widen(dy[i].at[e]) * factor(i, e) * scale - widen(x[i].at[e]) * pull;
      dy[i].at[e] = narrow<T>(own + widen(d_sum[i].at[e]));
    });
    store_pack(static_cast<T*>(work.dx) + begin + pack * Pack<T>::kSize, dy[i]);
  });
}

template <class T>
__device__ __forceinline__ void store_part(const RmsNormBackward& work, int64_t part, int thread, int threads,
                                           const WeightSums<T>& dweight) {
  constexpr int kSize = Pack<T>::kSize;
  each_pack<kPacks>(thread, threads, work.width / kSize, [&](int i, int pack) {
    float* to = work.parts + part * work.width + pack * kSize;
#pragma unroll
    for (int e = 0; e < kSize; e += 4) {
      store_pack(to + e,
                 Pack<float>{dweight.at[i][e], dweight.at[i][e + 1], dweight.at[i][e + 2], dweight.at[i][e + 3]});
    }
  });
}

// Every warp takes the rows of its teams together, so that all its lanes meet in the sums. A part is a warp's.
template <class T>
__global__ void __launch_bounds__(kNarrowThreads) rms_norm_backward_narrow(RmsNormBackward work, int lanes) {
  const int lane = static_cast<int>(threadIdx.x % kWarp), thread = lane % lanes,
            teams = static_cast<int>(kWarp) / lanes;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  const int64_t step = static_cast<int64_t>(gridDim.x) * (blockDim.x / kWarp) * teams;
  Pack<T> weight[kPacks];
  load_packs(work.weight, thread, lanes, work.width / Pack<T>::kSize, weight);
  WeightSums<T> dweight;
  for (int64_t row = warp * teams; row < work.rows; row += step) {
    row_gradient(work, row + lane / lanes, thread, lanes, weight, dweight,
                 [&](float x) { return lanes_sum(x, lanes); });
  }
  if (work.dweight == nullptr) return;
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    each_element<T>([&](int e) {
      for (int distance = lanes; distance < static_cast<int>(kWarp); distance *= 2)
        dweight.at[i][e] += __shfl_xor_sync(kAllLanes, dweight.at[i][e], distance);
    });
  }
  if (lane < lanes) store_part(work, warp, thread, lanes, dweight);
}

template <class T>
__global__ void __launch_bounds__(kMostThreads) rms_norm_backward_wide(RmsNormBackward work) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  Pack<T> weight[kPacks];
  load_packs(work.weight, thread, threads, work.width / Pack<T>::kSize, weight);
  WeightSums<T> dweight;
  for (int64_t row = blockIdx.x; row < work.rows; row += gridDim.x) {
    row_gradient(work, row, thread, threads, weight, dweight, [](float x) { return block_sum(x); });
  }
  if (work.dweight != nullptr) store_part(work, blockIdx.x, thread, threads, dweight);
}

// A block for 32 columns; its warps share the parts, and the first one sums their sums.
template <class T>
__global__ void __launch_bounds__(1024) sum_parts(RmsNormBackward work, int parts) {
  __shared__ float of_warp[kWarp][kWarp];
  const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
  const int warps = static_cast<int>(blockDim.x / kWarp), column = static_cast<int>(blockIdx.x * kWarp) + lane;
  float sum = 0;
  if (column < work.width) {
    for (int64_t part = warp; part < parts; part += warps) sum += work.parts[part * work.width + column];
  }
  of_warp[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= work.width) return;
  for (int w = 1; w < warps; ++w) sum += of_warp[w][lane];
  static_cast<T*>(work.dweight)[column] = narrow<T>(sum);
}

// Of the launch. One row a team where dweight is not wanted.
unsigned gradient_blocks(int rows, const Team& team, bool wants_dweight) {
  if (!wants_dweight) return blocks_of(rows, team.rows());
  const unsigned blocks = blocks_of(rows, team.rows() * kRowsOfTeam);
  return blocks == 0 ? 1 : blocks < kMostBlocks ? blocks : kMostBlocks;
}

}  // namespace

int rms_norm_parts(int rows, int width, Element type) {
  const Team team = team_of(width, type);
  const unsigned blocks = gradient_blocks(rows, team, true);
  return static_cast<int>(team.wide ? blocks : blocks * (kNarrowThreads / kWarp));
}

void rms_norm_backward(const RmsNormBackward& work, Stream stream) {
  const bool wants_dweight = work.dweight != nullptr;
  if (work.width == 0 || (work.rows == 0 && !wants_dweight)) return;
  const Team team = team_of(work.width, work.type);
  const dim3 blocks(gradient_blocks(work.rows, team, wants_dweight));
  with_type(work.type, [&](auto zero) {
    using T = decltype(zero);
    if (team.wide) launch(rms_norm_backward_wide<T>, blocks, team.threads, 0, stream, work);
    if (!team.wide) launch(rms_norm_backward_narrow<T>, blocks, team.threads, 0, stream, work, team.lanes);
    if (!wants_dweight) return;
    const int parts = rms_norm_parts(work.rows, work.width, work.type);
    const unsigned warps = parts < 32 ? static_cast<unsigned>(parts) : 32;
    launch(sum_parts<T>, dim3(blocks_of(work.width, kWarp)), warps * kWarp, 0, stream, work, parts);
  });
}

}  // namespace bt::kernels
