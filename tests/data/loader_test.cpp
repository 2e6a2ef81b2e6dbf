#include "bt/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "bt/core/error.h"

namespace bt {
namespace {

std::vector<Example> examples(int64_t count) {
  std::vector<Example> out;
  for (int64_t i = 0; i < count; ++i) {
    out.push_back({.ids = std::vector<int32_t>(static_cast<size_t>(1 + (i * 7) % 13)), .source = i});
  }
  return out;
}

std::vector<int64_t> sources(Loader& loader, int batches) {
  std::vector<int64_t> out;
  for (; batches > 0; --batches) {
    for (const Example& example : loader.next()) out.push_back(example.source);
  }
  return out;
}

TEST(Loader, EveryEpochHoldsEveryExampleOnceAndBatchesRunAcrossItsEnd) {
  const auto data = examples(10);
  for (const int64_t window : {0, 2, 3}) {
    Loader loader(data, {.batch_size = 4, .seed = 1, .length_window = window});
    const std::vector<int64_t> seen = sources(loader, 5);
    ASSERT_EQ(seen.size(), 20u);
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.begin() + 10).size(), 10u);
    EXPECT_EQ(std::set<int64_t>(seen.begin() + 10, seen.end()).size(), 10u);
    EXPECT_NE(std::vector<int64_t>(seen.begin(), seen.begin() + 10),
              std::vector<int64_t>(seen.begin() + 10, seen.end()));
  }
}

TEST(Loader, OrderDependsOnSeedAndEpochAlone) {
  const auto data = examples(50);
  Loader a(data, {.batch_size = 5, .seed = 1}), b(data, {.batch_size = 10, .seed = 1}),
      c(data, {.batch_size = 5, .seed = 2});
  const std::vector<int64_t> first = sources(a, 20);
  EXPECT_EQ(first, sources(b, 10));
  EXPECT_NE(first, sources(c, 20));
  Loader fresh(data, {.batch_size = 5, .seed = 1});
  fresh.seek({.epoch = 1, .index = 0});  // without having seen epoch 0
  EXPECT_EQ(sources(fresh, 10), std::vector<int64_t>(first.begin() + 50, first.end()));
}

TEST(Loader, ASoughtLoaderContinuesAsIfNeverInterrupted) {
  const auto data = examples(11);
  for (const int64_t window : {0, 3}) {
    const LoaderOptions options{.batch_size = 4, .seed = 9, .length_window = window};
    for (int before = 0; before < 12; ++before) {
      Loader straight(data, options), resumed(data, options);
      sources(straight, before);
      resumed.seek(straight.cursor());
      EXPECT_EQ(resumed.cursor(), straight.cursor());
      EXPECT_EQ(sources(resumed, 7), sources(straight, 7)) << before;
    }
  }
}

TEST(Loader, LengthWindowMakesBatchesOfSimilarLength) {
  const auto data = examples(64);
  const auto spread = [&](int64_t window) {
    Loader loader(data, {.batch_size = 8, .seed = 3, .length_window = window});
    int64_t total = 0;
    for (int batch = 0; batch < 8; ++batch) {
      std::set<size_t> lengths;
      for (const Example& example : loader.next()) lengths.insert(example.ids.size());
      total += static_cast<int64_t>(*lengths.rbegin() - *lengths.begin());
    }
    return total;
  };
  EXPECT_LT(spread(8), spread(0) / 3);
}

TEST(Loader, WithoutShufflingTheOrderIsTheFiles) {
  const auto data = examples(3);
  Loader loader(data, {.batch_size = 5, .shuffle = false});
  EXPECT_THAT(sources(loader, 1), ::testing::ElementsAre(0, 1, 2, 0, 1));
}

TEST(Loader, RefusesWhatItCannotDo) {
  const auto data = examples(3);
  EXPECT_THROW(Loader({}, {}), Error);
  EXPECT_THROW(Loader(data, {.batch_size = 0}), Error);
  EXPECT_THROW(Loader(data, {.batch_size = int64_t{1} << 40}), Error);
  Loader loader(data, {});
  EXPECT_THROW(loader.seek({.epoch = 0, .index = 4}), Error);
  EXPECT_THROW(loader.seek({.epoch = -1, .index = 0}), Error);
  loader.seek({.epoch = 0, .index = 3});
  EXPECT_EQ(loader.next().size(), 16u);
}

}  // namespace
}  // namespace bt
