// Keys are the rows of the product and queries its columns: a lane adds up its own keys over all queries, and only the
// last sum crosses lanes.
#include "kernels/attention_mass.h"
#include "kernels/attention_tiles.cuh"

namespace bt::kernels {
namespace {

constexpr int kWarps = 8, kKeysOfWarp = 32, kKeys = kWarps * kKeysOfWarp, kQueries = 128;

struct Voters {
  int first, count, length;  // queries [first, first + count), and cached rows of the sequence
  __device__ __forceinline__ Voters(const AttentionMass& work, int b) {
    const auto queries = static_cast<int>(work.attention.query_length[b]);
    count = max(0, min(static_cast<int>(work.voters[b]), queries));
    first = queries - count;
    length = static_cast<int>(work.attention.length[b]);
  }
};

// What the columns of the product are, in shared memory.
template <class T, int D>
struct VotingRows {
  Tile<T, D> q;
  int64_t* beyond;
  int* last;
  float* lse;  // +inf where a row gives no probability

  static constexpr size_t kBytes = kQueries * (D * sizeof(T) + sizeof(int64_t) + sizeof(int) + sizeof(float));
  __device__ __forceinline__ explicit VotingRows(unsigned char* bytes)
      : q{reinterpret_cast<T*>(bytes)},
        beyond(reinterpret_cast<int64_t*>(bytes + kQueries * D * sizeof(T))),
        last(reinterpret_cast<int*>(beyond + kQueries)),
        lse(reinterpret_cast<float*>(last + kQueries)) {}

  // Packed rows [begin, begin + kQueries) of the voters; those past `end` vote for nothing.
  __device__ __forceinline__ void load(const AttentionMass& work, const Voters& voters, int b, int g, int begin,
                                       int end) const {
    const Attention& a = work.attention;
    const auto packed = [&](int i) {
      QueryHead row(a, g, begin + i);
      row.query += voters.first;
      return row;
    };
    each_own_chunk<kQueries, D>([&](int i, int chunk) {
      const bool votes = begin + i < end;
      q.copy(i, chunk, query_row<T>(a.q, a.q_stride, b, packed(votes ? i : 0)), votes);
    });
    commit_copies();
    for (int i = static_cast<int>(threadIdx.x); i < kQueries; i += static_cast<int>(blockDim.x)) {
      Sight sight{-1, kHiddenPosition};
      float logarithm = -INFINITY;
      if (begin + i < end) {
        const QueryHead row = packed(i);
        sight = sight_of(a, b, row.query);
        logarithm = work.lse[b * work.lse_stride[0] + row.query * work.lse_stride[1] + row.head * work.lse_stride[2]];
      }
      beyond[i] = sight.beyond;
      last[i] = sight.last;
      lse[i] = logarithm == -INFINITY ? INFINITY : logarithm;
    }
    wait_for_copies<0>();
  }
};

// Keys of one warp: those of a lane are lane / 4, + 8, + 16, + 24 behind the first.
template <int D>
struct HeldKeys {
  HeldRows<D> rows[2];
  int first;
  int64_t position[4];
};

// Masked: some voter may not see some of the keys.
template <bool Masked, class T, int D>
__device__ __forceinline__ void add_columns(float (&sum)[4], const HeldKeys<D>& keys, const VotingRows<T, D>& voting,
                                            int column, const Scoring& scoring) {
  const int lane = static_cast<int>(threadIdx.x % kWarp), pair = column + 2 * (lane % 4);
  float c[2][4] = {};
#pragma unroll
  for (int m = 0; m < 2; ++m) add_scores(c[m], keys.rows[m], voting.q, column);
  scoring.apply(c);
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = pair + i % 2, own = 2 * m + i / 2;
      const float p = fast_exp(c[m][i] - voting.lse[row]);
      if constexpr (Masked) {
        const Sight sight{voting.last[row], voting.beyond[row]};
        sum[own] += sight.of(keys.first + lane / 4 + 8 * own, keys.position[own]) ? p : 0;
      } else {
        sum[own] += p;
      }
    }
  }
}

template <class T, int D>
__global__ void __launch_bounds__(kWarps* kWarp, D == 64 ? 3 : 2) mass_of_groups(AttentionMass work) {
  const Attention& a = work.attention;
  const int b = static_cast<int>(blockIdx.x) / a.groups, g = static_cast<int>(blockIdx.x) % a.groups;
  const int warp = static_cast<int>(threadIdx.x / kWarp), lane = static_cast<int>(threadIdx.x % kWarp);
  const Voters voters(work, b);
  const int block_first = static_cast<int>(blockIdx.y) * kKeys;
  if (block_first >= voters.length || voters.count == 0) return;

  HeldKeys<D> keys;
  keys.first = block_first + warp * kKeysOfWarp;
  const CacheRows<T> k(a.k, a.k_stride, work.place == nullptr ? b : static_cast<int>(work.place[b]), g);
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    keys.rows[m].load([&](int i) { return k.at(min(keys.first + 16 * m + i, voters.length - 1)); });
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {  // of rows that exist; those behind are behind every voter, too
    keys.position[i] = a.position[b * a.position_stride + min(keys.first + lane / 4 + 8 * i, voters.length - 1)];
  }
  const bool masked = a.window > 0 || keys.first + kKeysOfWarp > voters.length - voters.count + 1;
  const Scoring scoring(a);
  const VotingRows<T, D> voting(shared_memory<unsigned char>());
  float sum[4] = {};
  const int end = voters.count * (a.heads / a.groups);
  for (int begin = 0; begin < end; begin += kQueries) {
    __syncthreads();  // the last rows are read
    voting.load(work, voters, b, g, begin, end);
    __syncthreads();
    const int columns = keys.first < voters.length ? min(kQueries, end - begin) : 0;
    if (masked) {
      for (int column = 0; column < columns; column += 8) add_columns<true>(sum, keys, voting, column, scoring);
    } else {
#pragma unroll 2
      for (int column = 0; column < columns; column += 8) add_columns<false>(sum, keys, voting, column, scoring);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float all = quad_sum(sum[i]);
    const int key = keys.first + lane / 4 + 8 * i;
    if (lane % 4 == 0 && key < voters.length) work.of_group[static_cast<int64_t>(blockIdx.x) * a.rows + key] = all;
  }
}

__global__ void __launch_bounds__(256) sum_of_groups(AttentionMass work, int tiles) {
  const Attention& a = work.attention;
  const int b = static_cast<int>(blockIdx.x) / tiles;
  const int row = static_cast<int>(blockIdx.x) % tiles * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
  if (row >= a.rows) return;
  const Voters voters(work, b);
  float sum = 0;
  if (voters.count > 0 && row < voters.length && (a.alive == nullptr || a.alive[b * a.alive_stride + row])) {
    const float* of_group = work.of_group + static_cast<int64_t>(b) * a.groups * a.rows + row;
    for (int g = 0; g < a.groups; ++g) sum += of_group[static_cast<int64_t>(g) * a.rows];
    sum /= static_cast<float>(voters.count) * static_cast<float>(a.heads);
  }
  work.mass[static_cast<int64_t>(b) * a.rows + row] = sum;
}

}  // namespace

void attention_mass(const AttentionMass& work, Stream stream) {
  const Attention& a = work.attention;
  for_type_and_width(a, [&]<class T, int D>() {
    if (a.sequences == 0 || a.rows == 0) return;
    const auto blocks = [&](int keys) { return static_cast<unsigned>((a.rows + keys - 1) / keys); };
    const auto groups = static_cast<unsigned>(a.sequences * a.groups), sequences = static_cast<unsigned>(a.sequences);
    launch(mass_of_groups<T, D>, dim3(groups, blocks(kKeys)), kWarps * kWarp, VotingRows<T, D>::kBytes, stream, work);
    launch(sum_of_groups, dim3(sequences * blocks(256)), 256, 0, stream, work, static_cast<int>(blocks(256)));
  });
}

}  // namespace bt::kernels
