#include "kernels/cache_rows_test_support.h"

namespace bt {
namespace {

using kernels::CacheRows;
using kernels::narrow;
using testing::bytes;
using testing::Cache;
using testing::each_element;
using testing::entry_numbers;
using testing::in_every_type;
using testing::kShapes;
using testing::random_numbers;
using testing::Shape;
using testing::some_rows;

TEST(CacheRowsKernel, GathersRowsAndZeros) {
  in_every_type([](auto number) {
    using T = decltype(number);
    for (const Shape& n : kShapes) {
      Cache<T> cache(n);
      const std::vector<int64_t> chosen = some_rows(n);
      std::vector<T> expected(entry_numbers(n), narrow<T>(0.f));
      each_element(n, chosen, [&](int event, int64_t row, int i, size_t place) {
        if (row >= 0) expected[place] = cache.at(event, row, i);
      });
      const auto found = testing::in_every_order([&] {
        std::vector<T> entries = random_numbers<T>(entry_numbers(n), 5);
        kernels::gather_rows(cache.chosen_by(chosen), entries.data(), {});
        return bytes(entries);
      });
      EXPECT_EQ(found, bytes(expected)) << "width " << n.width << ", gap " << n.gap << ", offset " << n.offset;
    }
  });
}

TEST(CacheRowsKernel, PutsEntriesOrZerosAndLeavesTheRest) {
  in_every_type([](auto number) {
    using T = decltype(number);
    for (const Shape& n : kShapes) {
      const std::vector<int64_t> chosen = some_rows(n);
      const std::vector<T> entries = random_numbers<T>(entry_numbers(n), 5);
      for (const bool zeros : {false, true}) {
        Cache<T> expected(n);
        each_element(n, chosen, [&](int event, int64_t row, int i, size_t place) {
          if (row >= 0) expected.at(event, row, i) = zeros ? narrow<T>(0.f) : entries[place];
        });
        const auto found = testing::in_every_order([&] {
          Cache<T> cache(n);
          kernels::put_rows(cache.chosen_by(chosen), zeros ? nullptr : entries.data(), {});
          return cache.all();
        });
        EXPECT_EQ(found, expected.all()) << "width " << n.width << ", gap " << n.gap << ", offset " << n.offset;
      }
    }
  });
}

TEST(CacheRowsKernel, TakesEntriesOffThePacks) {
  in_every_type([](auto number) {
    using T = decltype(number);
    const Shape n{2, 3, 2, 5, 16};
    Cache<T> cache(n);
    const std::vector<int64_t> chosen = some_rows(n);
    const std::vector<unsigned char> before = cache.all();
    std::vector<T> entries(entry_numbers(n) + 1);
    kernels::gather_rows(cache.chosen_by(chosen), entries.data() + 1, {});
    kernels::put_rows(cache.chosen_by(chosen), nullptr, {});
    EXPECT_NE(cache.all(), before);
    kernels::put_rows(cache.chosen_by(chosen), entries.data() + 1, {});
    EXPECT_EQ(cache.all(), before);
  });
}

TEST(CacheRowsKernel, RefusesARowThatIsNotThere) {
  Cache<float> cache({1, 2, 1, 4, 8});
  const std::vector<int64_t> chosen = {0, 4};
  std::vector<float> entries(entry_numbers(cache.n));
  EXPECT_DEATH(kernels::gather_rows(cache.chosen_by(chosen), entries.data(), {}), "trapped");
}

TEST(CacheRowsKernel, NothingToDo) {
  CacheRows none{};
  none.element_bytes = 2;
  kernels::gather_rows(none, nullptr, {});
  none.events = none.slots = 3;  // heads of no width
  kernels::put_rows(none, nullptr, {});
  const std::vector<int64_t> chosen = {-1};  // of a cache without rows
  float entry[2] = {1, 1};
  kernels::gather_rows({{}, {}, chosen.data(), nullptr, 1, 0, 1, 1, 1, 1, 4}, entry, {});
  EXPECT_EQ(entry[0] + entry[1], 0);
}

}  // namespace
}  // namespace bt
