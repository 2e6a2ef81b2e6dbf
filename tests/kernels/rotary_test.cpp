#include "kernels/rotary.h"

#include "kernels/elementwise_test_support.h"

namespace bt {
namespace {

using testing::Buffer;
using testing::element_of;
using testing::rounded;

struct Case {
  int tokens, q_heads, k_heads, width;
  float sign = 1;
};

const Case kCases[] = {{1, 32, 8, 64}, {37, 3, 1, 64, -1}, {19, 4, 2, 128},
                       {5, 1, 0, 16},  {3, 5, 5, 48, -1},  {0, 4, 1, 64}};

// Rows [q heads | k heads | v heads | other numbers] of one matrix, as a projection gives them.
template <class T>
struct Fused {
  explicit Fused(const Case& c)
      : stride((c.q_heads + 2 * c.k_heads) * c.width + 16),
        qkv(testing::random_buffer<T>(c.tokens * stride, 5)),
        cos(testing::random_buffer<T>(c.tokens * c.width / 2, 6, -1, 1)),
        sin(testing::random_buffer<T>(c.tokens * c.width / 2, 7, -1, 1)) {}

  int64_t stride;
  Buffer<T> qkv, cos, sin;

  // Heads from `first` on, to go to `to`, heads of a token side by side.
  kernels::TokenHeads heads(const Case& c, int first, int count, Buffer<T>& to) const {
    return {.from = qkv.data() + first * c.width,
            .from_by_token = stride,
            .from_by_head = c.width,
            .to = to.data(),
            .to_by_row = count * c.width,
            .to_by_head = c.width,
            .heads = count};
  }
  kernels::Rotary work(const Case& c) const {
    return {{}, {}, {}, cos.data(), sin.data(), c.tokens, c.width, c.sign, element_of<T>};
  }
  float at(const Case& c, int64_t token, int64_t head, int64_t i) const {
    return qkv[token * stride + head * c.width + i];
  }
  // Number i of a head, turned: products and sums rounded, in the order of the model's loops.
  float turned(const Case& c, int64_t token, int64_t head, int64_t i) const {
    const int64_t half = c.width / 2, angle = token * half + i % half;
    const float own = rounded<T>(at(c, token, head, i) * cos[angle]);
    const float other = rounded<T>(at(c, token, head, (i + half) % c.width) * (c.sign * sin[angle]));
    return rounded<T>(i < half ? own - other : own + other);
  }
};

template <class T>
class RotaryKernel : public ::testing::Test {};
TYPED_TEST_SUITE(RotaryKernel, testing::ElementTypes);

TYPED_TEST(RotaryKernel, TurnsSlicesOfAFusedProjectionAsTheModelDoes) {
  using T = typename TypeParam::Type;
  for (const Case& c : kCases) {
    const Fused<T> in(c);
    const std::vector<float> found = testing::in_every_order([&] {
      Buffer<T> q(static_cast<size_t>(c.tokens * c.q_heads * c.width)),
          k(static_cast<size_t>(c.tokens * c.k_heads * c.width));
      kernels::Rotary work = in.work(c);
      work.q = in.heads(c, 0, c.q_heads, q);
      work.k = in.heads(c, c.q_heads, c.k_heads, k);
      kernels::rotary(work, {});
      std::vector<float> both = q.values(), of_k = k.values();
      both.insert(both.end(), of_k.begin(), of_k.end());
      return both;
    });
    std::vector<float> expected;
    for (const auto& [first, heads] : {std::pair{0, c.q_heads}, std::pair{c.q_heads, c.k_heads}}) {
      for (int64_t i = 0; i < int64_t{c.tokens} * heads * c.width; ++i) {
        const int64_t token = i / (heads * c.width), head = first + i / c.width % heads;
        expected.push_back(in.turned(c, token, head, i % c.width));
      }
    }
    EXPECT_EQ(found, expected) << c.tokens << " tokens, width " << c.width;
  }
}

TYPED_TEST(RotaryKernel, TurnsInPlace) {
  using T = typename TypeParam::Type;
  const Case c{7, 3, 0, 64};
  const Fused<T> in(c);
  Buffer<T> q(in.qkv.values());
  kernels::Rotary work = in.work(c);
  work.q = {.from = q.data(),
            .from_by_token = in.stride,
            .from_by_head = 64,
            .to = q.data(),
            .to_by_row = in.stride,
            .to_by_head = 64,
            .heads = 3};
  kernels::rotary(work, {});
  for (int64_t i = 0; i < 7 * in.stride; ++i) {
    const int64_t token = i / in.stride, head = i % in.stride / 64;
    ASSERT_EQ(q[i], head < 3 ? in.turned(c, token, head, i % in.stride % 64) : in.qkv[i]) << i;
  }
}

// Caches [slots, heads, capacity, width].
TYPED_TEST(RotaryKernel, PacksKeysAndValuesIntoCacheRows) {
  using T = typename TypeParam::Type;
  const Case c{5, 4, 2, 64, 1};
  constexpr int64_t capacity = 6, slots = 3, rows = slots * 2 * capacity;
  const std::vector<int64_t> slot = {2, 1, 0, 1, 1}, row = {5, -1, 0, 3, 4};
  const Fused<T> in(c);
  const std::vector<float> found = testing::in_every_order([&] {
    Buffer<T> q(5 * 4 * 64), k(rows * 64), v(rows * 64);
    kernels::Rotary work = in.work(c);
    work.q = in.heads(c, 0, 4, q);
    for (const auto& [heads, first, cache] : {std::tuple{&work.k, 4, &k}, std::tuple{&work.v, 6, &v}}) {
      *heads = in.heads(c, first, 2, *cache);
      heads->to_by_slot = 2 * capacity * 64;
      heads->to_by_row = 64;
      heads->to_by_head = capacity * 64;
      heads->slot = slot.data();
      heads->row = row.data();
    }
    kernels::rotary(work, {});
    std::vector<float> all = q.values();
    for (const Buffer<T>* cache : {&k, &v}) {
      const std::vector<float> values = cache->values();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  });
  std::vector<float> expected(5 * 4 * 64 + 2 * rows * 64, -77);
  for (int64_t n = 0; n < 5; ++n) {
    for (int64_t h = 0; h < 8; ++h) {
      const auto at = static_cast<size_t>(n);
      if (h >= 4 && row[at] < 0) continue;
      const int64_t in_cache = (slot[at] * 2 + h % 2) * capacity + row[at];
      const int64_t begin = h < 4 ? (n * 4 + h) * 64 : (5 * 4 + (h < 6 ? 0 : rows) + in_cache) * 64;
      for (int64_t i = 0; i < 64; ++i)
        expected[static_cast<size_t>(begin + i)] = h < 6 ? in.turned(c, n, h, i) : in.at(c, n, h, i);
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(RotaryTakes, WholePacksInEitherHalf) {
  using kernels::Element;
  EXPECT_TRUE(kernels::rotary_takes(16, Element::bf16));
  EXPECT_TRUE(kernels::rotary_takes(8, Element::fp32));
  EXPECT_FALSE(kernels::rotary_takes(24, Element::fp16));
  EXPECT_FALSE(kernels::rotary_takes(12, Element::fp32));
  EXPECT_FALSE(kernels::rotary_takes(0, Element::fp32));
}

}  // namespace
}  // namespace bt
