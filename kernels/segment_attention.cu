#include "kernels/cache_tiles.cuh"
#include "kernels/segment_attention.h"

namespace bt::kernels {
namespace {

// Softmax so far of the two rows of a lane, and their sums of values.
template <int D>
struct Running {
  float most[2] = {-INFINITY, -INFINITY};
  float total[2] = {0, 0};  // of this lane's columns
  float sum[D / 8][4] = {};

  // Takes the greatest scores of a tile in, and returns what to subtract from its scores.
  __device__ __forceinline__ void raise(const float (&greatest)[2], float (&base)[2]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float top = fmaxf(most[i], quad_max(greatest[i]));
      base[i] = top == -INFINITY ? 0 : top;
      const float shrink = fast_exp(most[i] - base[i]);
      most[i] = top;
      total[i] *= shrink;
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
        sum[n][2 * i] *= shrink;
        sum[n][2 * i + 1] *= shrink;
      }
    }
  }
};

// Scores of 16 rows and a tile's 64, -inf where hidden; greatest: of each row, as far as this lane holds it.
template <bool Masked, class T, int D>
__device__ __forceinline__ void score(float (&s)[8][4], float (&greatest)[2], const HeldRows<D>& q,
                                      const CacheTile<T, D>& tile, int first, const Sight (&sight)[2],
                                      const Scoring& scoring) {
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) s[n][i] = 0;
    add_scores(s[n], q, tile.k, 8 * n);
  }
  scoring.apply(s);
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int column = 8 * n + pair + i % 2;
      const bool hidden = Masked && !sight[i / 2].of(first + column, tile.position[column]);
      if (hidden) s[n][i] = -INFINITY;
      greatest[i / 2] = fmaxf(greatest[i / 2], s[n][i]);
    }
  }
}

template <bool Masked, class T, int D>
__device__ __forceinline__ void attend(Running<D>& running, const HeldRows<D>& q, const CacheTile<T, D>& tile,
                                       int first, const Sight (&sight)[2], const Scoring& scoring) {
  float s[8][4], greatest[2] = {-INFINITY, -INFINITY}, base[2];
  score<Masked>(s, greatest, q, tile, first, sight, scoring);
  running.raise(greatest, base);
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      s[n][i] = fast_exp(s[n][i] - base[i / 2]);
      running.total[i / 2] += s[n][i];
    }
  }
#pragma unroll
  for (int n = 0; n < 8; n += 2) add_rows(running.sum, as_weights<T>(s[n], s[n + 1]), tile.v, 8 * n);
}

// Row i of a lane: its output, and its log-sum-exp. In parts, rows that saw nothing have no output.
template <class T, int D>
__device__ __forceinline__ void write_row(const SegmentAttention& work, const Running<D>& running, int i, float total,
                                          bool is_query, int64_t place) {
  const bool whole = work.splits == 1, sees = is_query && total != 0;
  const int64_t queries =
      static_cast<int64_t>(work.attention.sequences) * work.attention.queries * work.attention.heads;
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
  const float share = sees ? 1 / total : 0, lse = sees ? running.most[i] + logf(total) : -INFINITY;
  if (!whole) place += blockIdx.z * queries;
  if (threadIdx.x % 4 == 0) (whole ? work.lse : work.part_lse)[place] = lse;
  if (!whole && !sees) return;
#pragma unroll
  for (int n = 0; n < D / 8; ++n) {
    const float x[2] = {sees ? running.sum[n][2 * i] * share : 0, sees ? running.sum[n][2 * i + 1] * share : 0};
    const int64_t at = place * D + 8 * n + pair;
    if (whole) {
      *reinterpret_cast<uint32_t*>(static_cast<T*>(work.out) + at) = pack_pair<T>(x[0], x[1]);
    } else {
      *reinterpret_cast<Pair*>(work.part_out + at) = {x[0], x[1]};
    }
  }
}

// Blocks of so many warps that a processor holds at a time: shared memory is what runs out, then registers.
constexpr int blocks_together(int width, int warps) {
  if (warps <= 2) return width == 64 ? 4 : 3;
  return warps <= 4 || width == 64 ? 2 : 1;
}

template <class T, int D>
__global__ void __launch_bounds__(kMostWarps* kWarp, blocks_together(D, kMostWarps))
    attend_to_cache(SegmentAttention work) {
  const Attention& a = work.attention;
  const BlockOfRows block(a);
  const int lane = static_cast<int>(threadIdx.x % kWarp),
            first_row = block.first + static_cast<int>(threadIdx.x / kWarp) * 16;
  HeldRows<D> q;
  q.load([&](int i) {
    return first_row + i < block.end ? query_row<T>(a.q, a.q_stride, block.b, QueryHead(a, block.g, first_row + i))
                                     : nullptr;
  });
  Sight sight[2];
#pragma unroll
  for (int i = 0; i < 2; ++i)
    sight[i] = sight_of(a, block.b, QueryHead(a, block.g, first_row + lane / 4 + 8 * i).query);

  const Scoring scoring(a);
  const int rows = block.seen_by_any(a), tiles = (rows + 63) / 64, per_split = (tiles + work.splits - 1) / work.splits;
  const int begin = min(static_cast<int>(blockIdx.z) * per_split, tiles), end = min(begin + per_split, tiles);
  const int unmasked = a.window > 0 || a.alive != nullptr ? 0 : block.seen_by_all(a);
  Running<D> running;
  for_each_tile<CacheTile<T, D>>(
      begin, end, [&](const auto& tile, int first) { tile.copy(a, block.b, block.g, first, rows); },
      [&](const auto& tile, int first) {
        if (first + tile.kRows <= unmasked) {
          attend<false>(running, q, tile, first, sight, scoring);
        } else {
          attend<true>(running, q, tile, first, sight, scoring);
        }
      });
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const QueryHead row(a, block.g, first_row + lane / 4 + 8 * i);
    const float total = quad_sum(running.total[i]);
    if (row.query < a.queries) write_row<T>(work, running, i, total, sight[i].last >= 0, place_of(a, block.b, row));
  }
}

// A warp for every query of every head.
template <class T, int D>
__global__ void __launch_bounds__(256) merge_parts(SegmentAttention work) {
  const Attention& a = work.attention;
  const int64_t queries = static_cast<int64_t>(a.sequences) * a.queries * a.heads;
  const int64_t place = static_cast<int64_t>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (place >= queries) return;
  const int pair = 2 * static_cast<int>(threadIdx.x % kWarp);
  float most = -INFINITY, total = 0, sum[D / 64][2] = {};
  for (int part = 0; part < work.splits; ++part) most = fmaxf(most, work.part_lse[part * queries + place]);
#pragma unroll 8
  for (int part = 0; part < work.splits; ++part) {
    const float lse = work.part_lse[part * queries + place];
    const bool saw = lse != -INFINITY;  // else there is no output
    const float weight = saw ? fast_exp(lse - most) : 0;
    total += weight;
#pragma unroll
    for (int j = 0; j < D / 64; ++j) {
      const float* out = work.part_out + (part * queries + place) * D + 64 * j + pair;
      const Pair x = saw ? *reinterpret_cast<const Pair*>(out) : Pair{0, 0};
      sum[j][0] += weight * x.x;
      sum[j][1] += weight * x.y;
    }
  }
  const float share = total == 0 ? 0 : 1 / total;
  if (pair == 0) work.lse[place] = total == 0 ? -INFINITY : most + logf(total);
#pragma unroll
  for (int j = 0; j < D / 64; ++j) {
    *reinterpret_cast<uint32_t*>(static_cast<T*>(work.out) + place * D + 64 * j + pair) =
        pack_pair<T>(sum[j][0] * share, sum[j][1] * share);
  }
}

}  // namespace

void segment_attention(const SegmentAttention& work, Stream stream) {
  const Attention& a = work.attention;
  for_type_and_width(a, [&]<class T, int D>() {
    if (a.sequences == 0 || a.queries == 0) return;
    const dim3 grid(static_cast<unsigned>(a.sequences * a.groups), blocks_for(a), static_cast<unsigned>(work.splits));
    launch(attend_to_cache<T, D>, grid, static_cast<unsigned>(warps_for(a)) * kWarp, 2 * CacheTile<T, D>::kBytes,
           stream, work);
    if (work.splits == 1) return;
    const int64_t queries = static_cast<int64_t>(a.sequences) * a.queries * a.heads;
    launch(merge_parts<T, D>, dim3(static_cast<unsigned>((queries + 7) / 8)), 256, 0, stream, work);
  });
}

int segment_attention_splits(const Attention& work, int processors) {
  constexpr int kLeastRows = 128;  // of a split: below, merging costs more than it spreads
  if (work.sequences == 0 || work.queries == 0) return 1;
  const int blocks = work.sequences * work.groups * static_cast<int>(blocks_for(work));
  const int together = processors * blocks_together(work.width, warps_for(work));
  return max(1, min(together / blocks, work.rows / kLeastRows));
}

}  // namespace bt::kernels
