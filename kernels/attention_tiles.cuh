// Products of rows with rows, as attention needs them: 16 rows in the registers of a warp against a tile of rows in
// shared memory (scores), and weights against such a tile (sums of rows).
#pragma once

#include <climits>
#include <stdexcept>

#include "kernels/attention.h"
#include "kernels/tensor_cores.cuh"

namespace bt::kernels {

struct alignas(16) Words {
  uint32_t at[4];
};

// Rows of D numbers in shared memory. The 16-byte chunks of a row change places by its number, so that lanes that read
// the same chunk of eight rows, or four chunks of two, meet eight different bank groups.
template <class T, int D>
struct Tile {
  T* data;

  static constexpr int kChunks = D / 8;
  __device__ __forceinline__ T* at(int row, int chunk) const {
    const int places = (row & 1) << 2 | (row & 2) | (row >> 2 & 1);
    return data + row * D + 8 * (chunk ^ places);
  }
  __device__ __forceinline__ Words words(int row, int chunk) const {
    return *reinterpret_cast<const Words*>(at(row, chunk));
  }
  // Starts the copy of a chunk of a row, zeros where not valid; the address must be one all the same.
  __device__ __forceinline__ void copy(int row, int chunk, const T* source, bool valid) const {
    copy_async(at(row, chunk), source + 8 * chunk, valid);
  }
};

// Calls f(row, chunk) for the chunks of Rows rows that are this thread's, of all threads of the block.
template <int Rows, int D, class F>
__device__ __forceinline__ void each_own_chunk(const F& f) {
  constexpr int kChunks = D / 8;
  static_assert(kWarp % kChunks == 0);  // so that a thread stays at one chunk
  const int chunk = static_cast<int>(threadIdx.x) % kChunks, step = static_cast<int>(blockDim.x) / kChunks;
#pragma unroll 2
  for (int row = static_cast<int>(threadIdx.x) / kChunks; row < Rows; row += step) f(row, chunk);
}

// 16 rows in the registers of a warp. Lane l holds 16 bytes of rows l / 4 and l / 4 + 8 at chunks l % 4, l % 4 + 4, …:
// whole sectors of memory, where the fragments' own order would be pairs. A sum over k may run in any order, and the
// other factor is read in the same one.
template <int D>
struct HeldRows {
  Words at[D / 32][2];

  // row_of(i): address of row i, null for zeros.
  template <class From>
  __device__ __forceinline__ void load(const From& row_of) {
    const int lane = static_cast<int>(threadIdx.x % kWarp);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const auto* row = row_of(lane / 4 + 8 * i);
#pragma unroll
      for (int j = 0; j < D / 32; ++j) {
        at[j][i] = row == nullptr ? Words{} : *reinterpret_cast<const Words*>(row + 8 * (lane % 4 + 4 * j));
      }
    }
  }
};

// c += products of the held rows with rows [first, first + 8) of the tile.
template <class T, int D>
__device__ __forceinline__ void add_scores(float (&c)[4], const HeldRows<D>& held, const Tile<T, D>& tile, int first) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
#pragma unroll
  for (int j = 0; j < D / 32; ++j) {
    const Words(&a)[2] = held.at[j];
    const Words b = tile.words(first + lane / 4, lane % 4 + 4 * j);
    multiply_add<T>(c, {a[0].at[0], a[1].at[0], a[0].at[1], a[1].at[1]}, {b.at[0], b.at[1]});
    multiply_add<T>(c, {a[0].at[2], a[1].at[2], a[0].at[3], a[1].at[3]}, {b.at[2], b.at[3]});
  }
}

// The 16 x 16 numbers of two neighbouring c, rounded, as an a: the layouts agree.
struct Weights {
  uint32_t at[4];
};
template <class T>
__device__ __forceinline__ Weights as_weights(const float (&left)[4], const float (&right)[4]) {
  return {{pack_pair<T>(left[0], left[1]), pack_pair<T>(left[2], left[3]), pack_pair<T>(right[0], right[1]),
           pack_pair<T>(right[2], right[3])}};
}

// sum += weights x rows [first, first + 16) of the tile.
template <class T, int D>
__device__ __forceinline__ void add_rows(float (&sum)[D / 8][4], const Weights& weights, const Tile<T, D>& tile,
                                         int first) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
#pragma unroll
  for (int chunk = 0; chunk < D / 8; chunk += 2) {
    uint32_t b[4];
    load_transposed(b, tile.at(first + lane % 16, chunk + lane / 16));
    multiply_add<T>(sum[chunk], weights.at, {b[0], b[1]});
    multiply_add<T>(sum[chunk + 1], weights.at, {b[2], b[3]});
  }
}

template <int N, class F>
__device__ __forceinline__ void each(float (&x)[N][4], const F& f) {
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) f(x[n][i]);
  }
}

// The scores of products q.k.
struct Scoring {
  float factor, cap;  // cap 0: none

  __device__ __forceinline__ explicit Scoring(const Attention& work)
      : factor(work.softcap > 0 ? work.scale / work.softcap : work.scale), cap(work.softcap) {}
  // One question for all of them, so that the products before it need not wait for one another.
  template <int N>
  __device__ __forceinline__ void apply(float (&products)[N][4]) const {
    each(products, [&](float& x) { x *= factor; });
    if (cap > 0) each(products, [&](float& x) { x = cap * fast_tanh(x); });
  }
};

// Query heads that share a key/value head are packed into rows: row r is head r % share of query r / share.
struct QueryHead {
  int query, head;
  __device__ __forceinline__ QueryHead(const Attention& work, int group, int row) {
    const int share = work.heads / work.groups;
    query = row / share;
    head = group * share + row % share;
  }
};
// Place of a query's head among all, [B, S, H].
__device__ __forceinline__ int64_t place_of(const Attention& a, int b, const QueryHead& row) {
  return (static_cast<int64_t>(b) * a.queries + row.query) * a.heads + row.head;
}
// The address of a row, so many bytes from one to the next: a product of 32 bits and a sum of 64 are one instruction.
template <class T>
__device__ __forceinline__ const T* row_at(const T* first, int row, int bytes) {
  return reinterpret_cast<const T*>(reinterpret_cast<const unsigned char*>(first) + static_cast<int64_t>(row) * bytes);
}
template <class T>
__device__ __forceinline__ const T* query_row(const void* q, const Strides& stride, int sequence,
                                              const QueryHead& row) {
  constexpr int kSize = sizeof(T);
  const T* first = static_cast<const T*>(q) + sequence * stride.sequence;
  return row_at(row_at(first, row.query, kSize * static_cast<int>(stride.middle)), row.head,
                kSize * static_cast<int>(stride.head_or_row));
}
// Rows of keys or values of one sequence and group.
template <class T>
struct CacheRows {
  const T* first;
  int bytes;  // from one to the next

  __device__ __forceinline__ CacheRows(const void* x, const Strides& stride, int sequence, int group)
      : first(static_cast<const T*>(x) + sequence * stride.sequence + group * stride.middle),
        bytes(static_cast<int>(stride.head_or_row) * static_cast<int>(sizeof(T))) {}
  __device__ __forceinline__ const T* at(int row) const { return row_at(first, row, bytes); }
};

// What a query sees: cached rows up to `last` whose position is greater than `beyond`.
struct Sight {
  int last;
  int64_t beyond;
  __device__ __forceinline__ bool of(int row, int64_t position) const { return row <= last && position > beyond; }
};
inline constexpr int64_t kHiddenPosition = INT64_MIN;  // no query sees a row there

__device__ __forceinline__ Sight sight_of(const Attention& work, int sequence, int query) {
  const auto count = static_cast<int>(work.query_length[sequence]), length = static_cast<int>(work.length[sequence]);
  Sight sight{query < count ? length - count + query : -1, kHiddenPosition};
  if (work.window > 0 && sight.last >= 0) {
    sight.beyond = work.position[sequence * work.position_stride + sight.last] - work.window;
  }
  return sight;
}

// The row's position as Sight compares it. Without window and dead rows nothing is read.
__device__ __forceinline__ int64_t seen_position(const Attention& work, int sequence, int row) {
  if (work.alive != nullptr && !work.alive[sequence * work.alive_stride + row]) return kHiddenPosition;
  return work.window > 0 ? work.position[sequence * work.position_stride + row] : 0;
}

// Calls launch_for.operator()<T, D>() for the type and width of the work.
template <class Launch>
void for_type_and_width(const Attention& work, const Launch& launch_for) {
  if (!attention_takes(work)) throw std::invalid_argument("attention kernels: bf16 or fp16, 64 or 128 wide, aligned");
  const bool wide = work.width == 128;
  if (work.type == Element::bf16) {
    return wide ? launch_for.template operator()<bfloat16, 128>() : launch_for.template operator()<bfloat16, 64>();
  }
  return wide ? launch_for.template operator()<half, 128>() : launch_for.template operator()<half, 64>();
}

}  // namespace bt::kernels
