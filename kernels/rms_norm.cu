// Threads that share a row are a team: 1 to 32 lanes of a warp for up to 64 packs, a block beyond.
#include "kernels/rms_norm.cuh"

namespace bt::kernels {
namespace {

// x + residual, rounded, kept in x and written out.
template <class T>
__device__ __forceinline__ void add_residual(const RmsNorm& work, int64_t begin, int thread, int threads, int packs,
                                             Pack<T> (&x)[kPacks]) {
  Pack<T> residual[kPacks];
  load_packs(static_cast<const T*>(work.residual) + begin, thread, threads, packs, residual);
  each_pack<kPacks>(thread, threads, packs, [&](int i, int pack) {
    each_element<T>([&](int e) { x[i].at[e] = narrow<T>(widen(x[i].at[e]) + widen(residual[i].at[e])); });
    store_pack(static_cast<T*>(work.sum) + begin + pack * Pack<T>::kSize, x[i]);
  });
}

// One row; every thread of the team calls it, also where the row is past the last.
template <class T, class Sum>
__device__ __forceinline__ void normalise_row(const RmsNorm& work, int64_t row, int thread, int threads,
                                              const Sum& team_sum) {
  const bool real = row < work.rows;
  const int packs = real ? work.width / Pack<T>::kSize : 0;
  const int64_t begin = row * work.width;
  Pack<T> x[kPacks], weight[kPacks];
  load_packs(static_cast<const T*>(work.x) + begin, thread, threads, packs, x);
  load_packs(work.weight, thread, threads, packs, weight);
  if (work.residual != nullptr) add_residual(work, begin, thread, threads, packs, x);
  float squares = 0;
  each_pack<kPacks>(thread, threads, packs, [&](int i, int) {
    each_element<T>([&](int e) { squares += widen(x[i].at[e]) * widen(x[i].at[e]); });
  });
  const float scale = 1 / sqrtf(team_sum(squares) / static_cast<float>(work.width) + work.eps);
  if (real && thread == 0) work.scale[row] = scale;
  each_pack<kPacks>(thread, threads, packs, [&](int i, int pack) {
    each_element<T>([&](int e) {
      const float unit = widen(x[i].at[e]) * scale;
      const float factor = norm_factor<T>(weight[i].at[e], work.offset, work.rounds_last);
      x[i].at[e] = narrow<T>((work.rounds_last ? unit : rounded<T>(unit)) * factor);
    });
    store_pack(static_cast<T*>(work.y) + begin + pack * Pack<T>::kSize, x[i]);
  });
}

template <class T>
__global__ void __launch_bounds__(kNarrowThreads) rms_norm_narrow(RmsNorm work, int lanes) {
  const int place = static_cast<int>(threadIdx.x), teams = static_cast<int>(kNarrowThreads) / lanes;
  normalise_row<T>(work, static_cast<int64_t>(blockIdx.x) * teams + place / lanes, place % lanes, lanes,
                   [&](float x) { return lanes_sum(x, lanes); });
}

template <class T>
__global__ void __launch_bounds__(kMostThreads) rms_norm_wide(RmsNorm work) {
  normalise_row<T>(work, blockIdx.x, static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x),
                   [](float x) { return block_sum(x); });
}

}  // namespace

bool rms_norm_takes(int64_t width, Element type) {
  const int64_t size = pack_size(type);
  return width > 0 && width % size == 0 && width / size <= int64_t{kMostThreads} * kPacks;
}

void rms_norm(const RmsNorm& work, Stream stream) {
  if (work.rows == 0) return;
  const Team team = team_of(work.width, work.type);
  with_type(work.type, [&](auto zero) {
    using T = decltype(zero);
    if (team.wide)
      return launch(rms_norm_wide<T>, dim3(static_cast<unsigned>(work.rows)), team.threads, 0, stream, work);
    launch(rms_norm_narrow<T>, dim3(blocks_of(work.rows, team.rows())), team.threads, 0, stream, work, team.lanes);
  });
}

}  // namespace bt::kernels
