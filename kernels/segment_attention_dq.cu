#include "kernels/attention_gradients.cuh"
#include "kernels/cache_tiles.cuh"

namespace bt::kernels {
namespace {

// The packed rows of a warp: a lane knows lse, delta and sight of the two whose products it holds.
template <int D>
struct QueryRows {
  HeldRows<D> q, d_out;
  float base[2], delta[2];
  Sight sight[2];
};

// Sum over this lane's numbers of row i.
template <class T, int D>
__device__ __forceinline__ float dot(const HeldRows<D>& x, const HeldRows<D>& y, int i) {
  float sum = 0;
#pragma unroll
  for (int j = 0; j < D / 32; ++j) {
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      const Pair a = unpack_pair<T>(x.at[j][i].at[w]), b = unpack_pair<T>(y.at[j][i].at[w]);
      sum += a.x * b.x + a.y * b.y;
    }
  }
  return sum;
}

template <class T, int D>
__device__ __forceinline__ void load(QueryRows<D>& rows, const SegmentAttentionBackward& work, const BlockOfRows& block,
                                     int first) {
  const Attention& a = work.attention;
  const auto packed = [&](int i) { return QueryHead(a, block.g, first + i); };
  const auto dense = [&](const void* x) {
    return [=, &a](int i) {
      return first + i < block.end ? static_cast<const T*>(x) + place_of(a, block.b, packed(i)) * D : nullptr;
    };
  };
  rows.q.load(
      [&](int i) { return first + i < block.end ? query_row<T>(a.q, a.q_stride, block.b, packed(i)) : nullptr; });
  rows.d_out.load(dense(work.d_out));
  HeldRows<D> out;
  out.load(dense(work.out));
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = static_cast<int>(threadIdx.x % kWarp) / 4 + 8 * i;
    const bool is_query = first + row < block.end;
    const int64_t place = place_of(a, block.b, packed(row));
    rows.base[i] = base_of(is_query ? work.lse + place : nullptr);
    rows.delta[i] = quad_sum(dot<T>(rows.d_out, out, i));
    rows.sight[i] = sight_of(a, block.b, packed(row).query);
    if (is_query && threadIdx.x % 4 == 0) work.delta[place] = rows.delta[i];
  }
}

template <bool Masked, class T, int D>
__device__ __forceinline__ void add_gradient(float (&sum)[D / 8][4], const QueryRows<D>& rows,
                                             const CacheTile<T, D>& tile, int first, const Scoring& scoring) {
  const int pair = 2 * static_cast<int>(threadIdx.x % 4);
#pragma unroll 1
  for (int n = 0; n < tile.kRows; n += 16) {
    float p[2][4] = {}, d[2][4] = {};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      add_scores(p[half], rows.q, tile.k, n + 8 * half);
      add_scores(d[half], rows.d_out, tile.v, n + 8 * half);
    }
    to_gradients(
        p, d, scoring, [&](int, int i) { return rows.base[i / 2]; }, [&](int, int i) { return rows.delta[i / 2]; });
    if constexpr (Masked) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int column = n + 8 * half + pair + i % 2;
          if (!rows.sight[i / 2].of(first + column, tile.position[column])) d[half][i] = 0;
        }
      }
    }
    add_rows(sum, as_weights<T>(d[0], d[1]), tile.k, n);
  }
}

template <class T, int D>
__global__ void __launch_bounds__(kMostWarps* kWarp, D == 64 ? 2 : 1)
    gradient_of_queries(SegmentAttentionBackward work) {
  const Attention& a = work.attention;
  const BlockOfRows block(a);
  const int first_row = block.first + static_cast<int>(threadIdx.x / kWarp) * 16;
  QueryRows<D> queries;
  load<T>(queries, work, block, first_row);

  const Scoring scoring(a);
  const PlaceInTable place(work, block.b);
  const int rows = block.seen_by_any(a), unmasked = a.window > 0 || a.alive != nullptr ? 0 : block.seen_by_all(a);
  float sum[D / 8][4] = {};
  for_each_tile<CacheTile<T, D>>(
      0, (rows + 63) / 64, [&](const auto& tile, int first) { tile.copy(a, block.b, block.g, first, rows, place); },
      [&](const auto& tile, int first) {
        if (first + tile.kRows <= unmasked) {
          add_gradient<false>(sum, queries, tile, first, scoring);
        } else {
          add_gradient<true>(sum, queries, tile, first, scoring);
        }
      });
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const QueryHead row(a, block.g, first_row + static_cast<int>(threadIdx.x % kWarp) / 4 + 8 * i);
    if (row.query < a.queries) write_gradient<D>(work.d_q + place_of(a, block.b, row) * D, sum, i, a.scale);
  }
}

}  // namespace

void segment_attention_dq(const SegmentAttentionBackward& work, Stream stream) {
  const Attention& a = work.attention;
  for_type_and_width(a, [&]<class T, int D>() {
    if (a.sequences == 0 || a.queries == 0) return;
    const dim3 grid(static_cast<unsigned>(a.sequences * a.groups), blocks_for(a));
    launch(gradient_of_queries<T, D>, grid, static_cast<unsigned>(warps_for(a)) * kWarp, 2 * CacheTile<T, D>::kBytes,
           stream, work);
  });
}

}  // namespace bt::kernels
