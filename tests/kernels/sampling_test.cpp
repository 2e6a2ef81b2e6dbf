#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bt/core/random.h"
#include "kernels/device.cuh"
#include "kernels/kernel_test_support.h"

namespace bt {
namespace {

using kernels::bfloat16;
using kernels::half;

struct Options {
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1, min_p = 0;
};

struct Rows {
  int rows, columns;
  int64_t stride;
  std::vector<float> logits;  // as the type under test rounds them; what lies between rows would win
  std::vector<int64_t> key;
};

template <class T>
kernels::Element element() {
  return sizeof(T) == 4            ? kernels::Element::fp32
         : std::is_same_v<T, half> ? kernels::Element::fp16
                                   : kernels::Element::bf16;
}

// Logits in [-6, 6], in steps of `step` if that is above 0, and some of -infinity.
template <class T>
Rows make_rows(int rows, int columns, int64_t stride, float step, uint64_t seed) {
  Rows out{rows, columns, stride, std::vector<float>(static_cast<size_t>(rows * stride), 1000.f), {}};
  const std::vector<float> value = testing::random_floats(out.logits.size(), seed, -6, 6),
                           hidden = testing::random_floats(out.logits.size(), seed + 1, 0, 1);
  for (int row = 0; row < rows; ++row) {
    for (int v = 0; v < columns; ++v) {
      const auto i = static_cast<size_t>(row * stride + v);
      const float x = step > 0 ? std::round(value[i] / step) * step : value[i];
      out.logits[i] = kernels::widen(kernels::narrow<T>(hidden[i] < .1f && v != 0 ? -INFINITY : x));
    }
    out.key.push_back(row / 3 + static_cast<int64_t>(seed));
    out.key.push_back(row % 3);
  }
  return out;
}

constexpr uint64_t kSeed = 0x123456789abcdef;

template <class T>
std::vector<int64_t> sampled(const Rows& rows, const Options& options, bool every_order = true) {
  std::vector<T> logits;
  for (const float x : rows.logits) logits.push_back(kernels::narrow<T>(x));
  const auto run = [&] {
    std::vector<int64_t> token(static_cast<size_t>(rows.rows), -7);
    kernels::sample({logits.data(), rows.key.data(), token.data(), rows.stride, rows.rows, rows.columns, element<T>(),
                     options.temperature, options.top_k, options.top_p, options.min_p, kSeed},
                    {});
    return token;
  };
  return every_order ? testing::in_every_order(run) : run();
}

struct Weighed {
  double weight;
  int column;
};

// What may be drawn from a row, by sorting: the steps of bt/runtime/sampling.h, one after the other.
std::vector<Weighed> candidates(const float* logits, int columns, const Options& options) {
  const double greatest = *std::max_element(logits, logits + columns);
  std::vector<Weighed> kept;
  for (int v = 0; v < columns; ++v) {
    if (logits[v] > -INFINITY) kept.push_back({std::exp((logits[v] - greatest) / options.temperature), v});
  }
  std::stable_sort(kept.begin(), kept.end(), [](const Weighed& a, const Weighed& b) { return a.weight > b.weight; });
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(kept.size())) {
    const double kth = kept[static_cast<size_t>(options.top_k - 1)].weight;
    std::erase_if(kept, [&](const Weighed& c) { return c.weight < kth; });
  }
  if (options.top_p < 1) {
    double total = 0, held = 0;
    for (const Weighed& c : kept) total += c.weight;
    size_t count = 0;
    do held += kept[count++].weight;
    while (held < options.top_p * total && count < kept.size());
    kept.resize(count);
  }
  std::erase_if(kept, [&](const Weighed& c) { return c.weight < options.min_p; });
  std::sort(kept.begin(), kept.end(), [](const Weighed& a, const Weighed& b) { return a.column < b.column; });
  return kept;
}

std::vector<int64_t> expected(const Rows& rows, const Options& options) {
  std::vector<int64_t> out;
  for (int row = 0; row < rows.rows; ++row) {
    const float* logits = rows.logits.data() + row * rows.stride;
    if (options.temperature <= 0) {
      out.push_back(std::max_element(logits, logits + rows.columns) - logits);
      continue;
    }
    const std::vector<Weighed> kept = candidates(logits, rows.columns, options);
    double remaining = 0;
    for (const Weighed& c : kept) remaining += c.weight;
    const int64_t* key = rows.key.data() + 2 * row;
    remaining *= CounterRng(kSeed, static_cast<uint64_t>(key[0]), static_cast<uint64_t>(key[1])).uniform();
    size_t i = 0;
    while (i + 1 < kept.size() && (remaining -= kept[i].weight) >= 0) ++i;
    out.push_back(kept[i].column);
  }
  return out;
}

const std::vector<Options> kOptions = {
    {0},    {1},       {.7, 5},         {1.5, 0, .8}, {1, 12, .6},  {1, 0, 1, .1}, {2, 20, .9, .2},   {1, 0, 0},
    {1, 1}, {1, 1000}, {1, 0, .999999}, {1, 0, 1, 1}, {.01, 0, .5}, {50, 0, .3},   {1, 12, 1 - 1e-15}};

template <class T>
void expect_equal_tokens() {
  uint64_t seed = 11;
  for (const Options& options : kOptions) {
    for (const float step : {0.f, 2.f}) {
      SCOPED_TRACE(::testing::Message() << "temperature " << options.temperature << ", top-k " << options.top_k
                                        << ", top-p " << options.top_p << ", min-p " << options.min_p << ", step "
                                        << step);
      const Rows rows = make_rows<T>(2, 37, 40, step, ++seed);
      EXPECT_EQ(sampled<T>(rows, options), expected(rows, options));
    }
  }
}

// Neighbours in the type, from -1 down and from 1 up: a border that is one off draws another token.
template <class T>
void expect_borders_among_neighbours(float unit) {
  constexpr int columns = 32, rows = 24;
  Rows all = make_rows<T>(rows, columns, columns, 0, 77);
  for (int row = 0; row < rows; ++row) {
    for (int v = 0; v < columns; ++v) {
      const int rank = (5 * v + row) % columns - 18;
      all.logits[static_cast<size_t>(row * columns + v)] =
          rank < 0 ? -1 + static_cast<float>(rank) * unit : 1 + static_cast<float>(rank) * unit;
    }
  }
  for (int64_t k = 1; k < columns; ++k) {
    const Options options{50, k};
    EXPECT_EQ(sampled<T>(all, options, /*every_order=*/false), expected(all, options)) << "top-k " << k;
  }
}

TEST(SamplingKernel, TopKEndsAtTheKthNumber) {
  expect_borders_among_neighbours<float>(0x1p-23f);
  expect_borders_among_neighbours<bfloat16>(0x1p-7f);
  expect_borders_among_neighbours<half>(0x1p-10f);
}

TEST(SamplingKernel, DrawsTheTokensOfTheDefinition) {
  expect_equal_tokens<float>();
  expect_equal_tokens<bfloat16>();
  expect_equal_tokens<half>();
}

TEST(SamplingKernel, DrawsThemInManyRows) {
  for (const Options& options : {Options{1}, Options{1.2, 0, .9, .01}}) {
    const Rows rows = make_rows<bfloat16>(100, 61, 61, options.top_p < 1 ? .25f : 0.f, 5);
    EXPECT_EQ(sampled<bfloat16>(rows, options, false), expected(rows, options));
  }
}

TEST(SamplingKernel, RowsLongerThanABlock) {
  const Rows row = make_rows<bfloat16>(1, 4500, 4500, 0, 9);
  for (const Options& options : {Options{0}, Options{1.5}, Options{1, 0, .9}})
    EXPECT_EQ(sampled<bfloat16>(row, options), expected(row, options));
}

TEST(SamplingKernel, OfEqualsTheLowerColumnsAreKept) {
  const Rows equal{3, 300, 300, std::vector<float>(900, -2.f), {0, 0, 0, 1, 0, 2}};
  for (const Options& options : {Options{0}, Options{1, 7}, Options{1, 0, .5}, Options{1, 0, .003}, Options{1, 0, .01}})
    EXPECT_EQ(sampled<half>(equal, options), expected(equal, options));
}

TEST(SamplingKernel, OneColumn) {
  const Rows one{2, 1, 3, {-4.f, 9, 9, 5.f, 9, 9}, {1, 2, 3, 4}};
  for (const Options& options : kOptions) EXPECT_EQ(sampled<half>(one, options), (std::vector<int64_t>{0, 0}));
}

TEST(SamplingKernel, RowsThatAreNotFiniteHaveNoToken) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Rows rows{4, 2, 2, {0, infinity, NAN, 1, -infinity, -infinity, -0.f, 0.f}, {0, 0, 0, 0, 0, 0, 0, 0}};
  EXPECT_EQ(sampled<float>(rows, {0}), (std::vector<int64_t>{-1, -1, -1, 0}));
  EXPECT_EQ(sampled<float>(rows, {1, 0, 0}), (std::vector<int64_t>{-1, -1, -1, 0}));
}

TEST(SamplingKernel, PenaltiesTouchTheNamedLogits) {
  const std::vector<int32_t> id = {0, 2, 99, 1};
  const std::vector<int64_t> end = {3, 3, 4};
  const auto penalised = testing::in_every_order([&] {
    std::vector<float> logits = {3, 4, -1, 7, 3, 4, -1, 7, 3, 4, -1, 7};  // the fourth column is outside
    kernels::penalise({logits.data(), id.data(), end.data(), 4, 3, 3, 1.5f}, {});
    return logits;
  });
  EXPECT_EQ(penalised, (std::vector<float>{2, 4, -1.5f, 7, 3, 4, -1, 7, 3, 4 / 1.5f, -1, 7}));
}

TEST(SamplingKernel, NothingToDo) {
  kernels::sample({}, {});
  kernels::penalise({}, {});
}

}  // namespace
}  // namespace bt
