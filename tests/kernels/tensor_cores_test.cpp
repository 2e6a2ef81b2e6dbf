// The wrappers of tensor_cores.cuh and the products built from them, against plain matrix products.
#include "kernels/tensor_cores.cuh"

#include "kernels/attention_tiles.cuh"
#include "kernels/kernel_test_support.h"

namespace bt {
namespace {

using kernels::bfloat16;
using kernels::half;

template <class T>
std::vector<T> random_numbers(size_t count, uint64_t seed) {
  std::vector<T> out;
  for (const float x : testing::random_floats(count, seed)) out.push_back(kernels::narrow<T>(x));
  return out;
}

// a [m, k] times b [n, k] transposed.
template <class T>
std::vector<float> plain_product(const std::vector<T>& a, const std::vector<T>& b, size_t m, size_t n, size_t k) {
  std::vector<float> c(m * n, 0.f);
  for (size_t i = 0; i < m * n * k; ++i) {
    c[i / k] += kernels::widen(a[i / k / n * k + i % k]) * kernels::widen(b[i / k % n * k + i % k]);
  }
  return c;
}
template <class T>
std::vector<T> transposed(const std::vector<T>& x, size_t rows) {
  std::vector<T> out;
  for (size_t i = 0; i < x.size(); ++i) out.push_back(x[i % rows * (x.size() / rows) + i / rows]);
  return out;
}
void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5) << i;
}

// One product, its fragments filled number by number as the PTX manual tabulates them.
template <class T>
void multiply_one(const T* a, const T* b, float* c) {
  const int lane = static_cast<int>(threadIdx.x), group = lane / 4, place = lane % 4;
  uint32_t a_fragment[4], b_fragment[2];
  for (int i = 0; i < 8; ++i) {  // a_i
    const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8, column = place * 2 + (i & 1) + (i < 4 ? 0 : 8);
    std::memcpy(reinterpret_cast<T*>(a_fragment) + i, a + row * 16 + column, sizeof(T));
  }
  for (int i = 0; i < 4; ++i) {  // b_i; b is stored [n, k]
    const int k = place * 2 + (i & 1) + (i < 2 ? 0 : 8);
    std::memcpy(reinterpret_cast<T*>(b_fragment) + i, b + group * 16 + k, sizeof(T));
  }
  float sum[4] = {};
  kernels::multiply_add<T>(sum, a_fragment, b_fragment);
  for (int i = 0; i < 4; ++i) c[(i < 2 ? group : group + 8) * 8 + place * 2 + (i & 1)] = sum[i];
}

template <class T>
void check_one() {
  const auto a = random_numbers<T>(16 * 16, 1), b = random_numbers<T>(8 * 16, 2);
  std::vector<float> c(16 * 8);
  kernels::launch(multiply_one<T>, dim3(1), 32, 0, {}, a.data(), b.data(), c.data());
  expect_near(c, plain_product(a, b, 16, 8, 16));
}

TEST(TensorCores, OneFragmentIsAMatrixProduct) {
  check_one<bfloat16>();
  check_one<half>();
}

template <class T>
void transpose_four(const T* from, uint32_t* to) {
  T* rows = kernels::shared_memory<T>();
  for (int i = static_cast<int>(threadIdx.x); i < 256; i += 32) rows[i] = from[i];
  __syncwarp();
  uint32_t four[4];
  kernels::load_transposed(four, rows + 8 * threadIdx.x);
  for (unsigned m = 0; m < 4; ++m) to[32 * m + threadIdx.x] = four[m];
}

TEST(TensorCores, MatricesAreTransposedAsTheyAreLoaded) {
  std::vector<half> from(256), expected;
  for (size_t i = 0; i < 256; ++i) from[i] = kernels::narrow<half>(static_cast<float>(i));
  std::vector<uint32_t> found(128), packed(128);
  kernels::launch(transpose_four<half>, dim3(1), 32, 512, {}, from.data(), found.data());
  for (size_t i = 0; i < 128; ++i) {
    const size_t matrix = i / 32, lane = i % 32;
    for (size_t h = 0; h < 2; ++h) expected.push_back(from[64 * matrix + 8 * (2 * (lane % 4) + h) + lane / 4]);
  }
  std::memcpy(packed.data(), expected.data(), 512);
  EXPECT_EQ(found, packed);
}

// 16 held rows against 32 rows of a tile, then the result, rounded, as weights of those rows.
template <class T, int D>
void multiply_tiles(const T* held_rows, const T* tile_rows, float* scores, float* sums) {
  const int lane = static_cast<int>(threadIdx.x);
  const kernels::Tile<T, D> tile{kernels::shared_memory<T>()};
  kernels::each_own_chunk<32, D>(
      [&](int row, int chunk) { tile.copy(row, chunk, tile_rows + (row < 30 ? row : 0) * D, row < 30); });
  kernels::commit_copies();
  kernels::HeldRows<D> held;
  held.load([&](int row) { return held_rows + row * D; });
  kernels::wait_for_copies<0>();
  __syncthreads();
  float sum[D / 8][4] = {};
  for (int first = 0; first < 32; first += 16) {
    float c[2][4] = {};
    for (int half_of = 0; half_of < 2; ++half_of) {
      kernels::add_scores(c[half_of], held, tile, first + 8 * half_of);
      for (int i = 0; i < 4; ++i)
        scores[(lane / 4 + i / 2 * 8) * 32 + first + 8 * half_of + lane % 4 * 2 + i % 2] = c[half_of][i];
    }
    kernels::add_rows(sum, kernels::as_weights<T>(c[0], c[1]), tile, first);
  }
  for (int n = 0; n < D / 8; ++n) {
    for (int i = 0; i < 4; ++i) sums[(lane / 4 + i / 2 * 8) * D + 8 * n + lane % 4 * 2 + i % 2] = sum[n][i];
  }
}

template <class T, int D>
void check_tiles() {
  const auto held = random_numbers<T>(16 * D, 3);
  auto rows = random_numbers<T>(32 * D, 4);
  std::vector<float> scores(16 * 32), sums(16 * D);
  kernels::launch(multiply_tiles<T, D>, dim3(1), 32, 32 * D * sizeof(T), {}, held.data(), rows.data(), scores.data(),
                  sums.data());
  std::fill(rows.begin() + 30 * D, rows.end(), T{});  // rows 30 and 31 came as zeros
  expect_near(scores, plain_product(held, rows, 16, 32, D));
  std::vector<T> weights;
  for (const float x : scores) weights.push_back(kernels::narrow<T>(x));
  expect_near(sums, plain_product(weights, transposed(rows, 32), 16, D, 32));
}

TEST(TensorCores, TilesAreMatrixProducts) {
  check_tiles<bfloat16, 64>();
  check_tiles<bfloat16, 128>();
  check_tiles<half, 64>();
}

void copy_in_groups(const bfloat16* from, float* seen) {
  auto* rows = kernels::shared_memory<bfloat16>();
  for (int i = 0; i < 16; ++i) rows[i] = kernels::narrow<bfloat16>(-1.f);
  for (int group = 0; group < 2; ++group) {
    kernels::copy_async(rows + 8 * group, from + 8 * group, group == 0);
    kernels::commit_copies();
  }
  seen[0] = kernels::widen(rows[0]);
  kernels::wait_for_copies<1>();
  seen[1] = kernels::widen(rows[7]);
  seen[2] = kernels::widen(rows[8]);
  kernels::wait_for_copies<0>();
  seen[3] = kernels::widen(rows[15]);
}

TEST(AsynchronousCopies, LandWhenTheyAreWaitedFor) {
  const std::vector<bfloat16> from(16, kernels::narrow<bfloat16>(3.f));
  std::vector<float> seen(4);
  kernels::launch(copy_in_groups, dim3(1), 1, 32, {}, from.data(), seen.data());
  EXPECT_EQ(seen, (std::vector<float>{-1, 3, -1, 0}));
}

}  // namespace
}  // namespace bt
