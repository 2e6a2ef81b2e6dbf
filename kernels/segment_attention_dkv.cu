// Cached rows are the rows of the products and packed queries their columns: a warp adds up the gradients of 16 cached
// rows over all queries and heads that see them.
#include "kernels/attention_gradients.cuh"
#include "kernels/tile_loop.cuh"

namespace bt::kernels {
namespace {

// 64 packed queries, and the gradients of their outputs.
template <class T, int D>
struct QueryTile {
  static constexpr int kRows = 64;
  static constexpr size_t kBytes = kRows * (2 * D * sizeof(T) + sizeof(int64_t) + 2 * sizeof(float) + sizeof(int));

  Tile<T, D> q, d_out;
  int64_t* beyond;
  float *base, *delta;
  int* last;

  __device__ __forceinline__ explicit QueryTile(unsigned char* bytes)
      : q{reinterpret_cast<T*>(bytes)},
        d_out{q.data + kRows * D},
        beyond(reinterpret_cast<int64_t*>(d_out.data + kRows * D)),
        base(reinterpret_cast<float*>(beyond + kRows)),
        delta(base + kRows),
        last(reinterpret_cast<int*>(delta + kRows)) {}

  // Packed rows [first, first + 64) by all threads of the block, blind ones from `end` on.
  __device__ __forceinline__ void copy(const SegmentAttentionBackward& work, int b, int g, int first, int end) const {
    const Attention& a = work.attention;
    const auto packed = [&](int i) { return QueryHead(a, g, first + i); };
    each_own_chunk<kRows, D>([&](int i, int chunk) {
      const bool is_query = first + i < end;
      const QueryHead row = packed(is_query ? i : 0);
      q.copy(i, chunk, query_row<T>(a.q, a.q_stride, b, row), is_query);
      d_out.copy(i, chunk, static_cast<const T*>(work.d_out) + place_of(a, b, row) * D, is_query);
    });
    for (int i = static_cast<int>(threadIdx.x); i < kRows; i += static_cast<int>(blockDim.x)) {
      const bool is_query = first + i < end;
      const QueryHead row = packed(i);
      const int64_t place = place_of(a, b, row);
      const Sight sight = sight_of(a, b, row.query);
      beyond[i] = sight.beyond;
      last[i] = sight.last;
      base[i] = base_of(is_query ? work.lse + place : nullptr);
      delta[i] = is_query ? work.delta[place] : 0;
    }
  }
};

constexpr int kWarps = 4, kNoRow = INT_MAX;

// The wanted rows of a warp: a lane knows places and positions of the two whose products it holds.
template <int D>
struct CachedRows {
  HeldRows<D> k, v;
  int row[2];  // kNoRow: nobody sees it
  int64_t position[2];
  int lowest, highest;  // of the warp
};

template <class T, int D>
__device__ __forceinline__ void load(CachedRows<D>& rows, const SegmentAttentionBackward& work, int b, int g,
                                     int first) {
  const Attention& a = work.attention;
  const auto length = static_cast<int>(a.length[b]);
  const PlaceInTable place(work, b);
  const auto wanted = [&](int i) {
    if (first + i >= work.wanted_rows) return kNoRow;
    const int row =
        work.wanted == nullptr ? first + i : static_cast<int>(work.wanted[b * work.wanted_stride + first + i]);
    return row < 0 || row >= length ? kNoRow : row;
  };
  const auto row_of = [&](const void* x, const Strides& stride) {
    return [=](int i) {
      const int row = wanted(i);
      return row == kNoRow ? nullptr : CacheRows<T>(x, stride, b, g).at(place(row));
    };
  };
  rows.k.load(row_of(a.k, a.k_stride));
  rows.v.load(row_of(a.v, a.v_stride));
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    rows.row[i] = wanted(static_cast<int>(threadIdx.x % kWarp) / 4 + 8 * i);
    rows.position[i] = rows.row[i] == kNoRow ? kHiddenPosition : seen_position(a, b, rows.row[i]);
  }
  rows.lowest = -warp_max(-min(rows.row[0], rows.row[1]));
  rows.highest = warp_max(max(rows.row[0], rows.row[1]));
}

// Masked: some query of the tile may not see some of the rows.
template <bool Masked, class T, int D>
__device__ __forceinline__ void add_gradients(float (&d_k)[D / 8][4], float (&d_v)[D / 8][4], const CachedRows<D>& rows,
                                              const QueryTile<T, D>& tile, const Scoring& scoring) {
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
#pragma unroll 1
  for (int n = 0; n < tile.kRows; n += 16) {
    float p[2][4] = {}, d[2][4] = {};
    const auto column = [&](int half, int i) { return n + 8 * half + pair + i % 2; };
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      add_scores(p[half], rows.k, tile.q, n + 8 * half);
      add_scores(d[half], rows.v, tile.d_out, n + 8 * half);
    }
    to_gradients(
        p, d, scoring, [&](int half, int i) { return tile.base[column(half, i)]; },
        [&](int half, int i) { return tile.delta[column(half, i)]; });
    if constexpr (Masked) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const Sight sight{tile.last[column(half, i)], tile.beyond[column(half, i)]};
          if (!sight.of(rows.row[i / 2], rows.position[i / 2])) p[half][i] = d[half][i] = 0;
        }
      }
    }
    add_rows(d_v, as_weights<T>(p[0], p[1]), tile.d_out, n);
    add_rows(d_k, as_weights<T>(d[0], d[1]), tile.q, n);
  }
}

template <class T, int D>
__global__ void __launch_bounds__(kWarps* kWarp, D == 64 ? 3 : 2) gradients_of_rows(SegmentAttentionBackward work) {
  const Attention& a = work.attention;
  const int b = static_cast<int>(blockIdx.x) / a.groups, g = static_cast<int>(blockIdx.x) % a.groups;
  const int first_row = static_cast<int>(blockIdx.y * blockDim.x / 2 + threadIdx.x / kWarp * 16);
  CachedRows<D> rows;
  load<T>(rows, work, b, g, first_row);

  const Scoring scoring(a);
  const int share = a.heads / a.groups, queries = static_cast<int>(a.query_length[b]),
            before = static_cast<int>(a.length[b]) - queries, end = queries * share, tiles = (end + 63) / 64;
  const int lowest = -block_max(-rows.lowest);  // row of the block; earlier queries see none of them
  const int begin = lowest == kNoRow ? tiles : max(0, lowest - before) * share / 64;
  const bool everywhere = a.window == 0 && a.alive == nullptr;
  float d_k[D / 8][4] = {}, d_v[D / 8][4] = {};
  for_each_tile<QueryTile<T, D>>(
      begin, tiles, [&](const auto& tile, int first) { tile.copy(work, b, g, first, end); },
      [&](const auto& tile, int first) {
        if (rows.lowest > before + (first + tile.kRows - 1) / share) return;
        if (everywhere && rows.highest <= before + first / share) {
          add_gradients<false>(d_k, d_v, rows, tile, scoring);
        } else {
          add_gradients<true>(d_k, d_v, rows, tile, scoring);
        }
      });
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at = first_row + static_cast<int>(threadIdx.x % kWarp) / 4 + 8 * i;
    if (at >= work.wanted_rows) continue;
    const int64_t offset = b * work.d_stride.sequence + g * work.d_stride.middle + at * work.d_stride.head_or_row;
    write_gradient<D>(work.d_k + offset, d_k, i, a.scale);
    write_gradient<D>(work.d_v + offset, d_v, i, 1);
  }
}

}  // namespace

void segment_attention_dkv(const SegmentAttentionBackward& work, Stream stream) {
  const Attention& a = work.attention;
  for_type_and_width(a, [&]<class T, int D>() {
    if (a.sequences == 0 || work.wanted_rows == 0) return;
    const auto parts = [](int rows, int of) { return (rows + of - 1) / of; };
    const int blocks = parts(work.wanted_rows, 16 * kWarps), warps = parts(work.wanted_rows, 16 * blocks);
    const dim3 grid(static_cast<unsigned>(a.sequences * a.groups), static_cast<unsigned>(blocks));
    launch(gradients_of_rows<T, D>, grid, static_cast<unsigned>(warps) * kWarp, 2 * QueryTile<T, D>::kBytes, stream,
           work);
  });
}

}  // namespace bt::kernels
