#include "bt/text/python_random.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace bt {
namespace {

using ::testing::ElementsAre;

// Expected values: CPython 3.11, random.Random(seed).

TEST(PythonRandom, DrawsWhatCPythonDraws) {
  PythonRandom random(1234);
  EXPECT_EQ(random.next_u32(), 4150886329u);
  for (int i = 1; i < 1000; ++i) random.next_u32();  // beyond one refill
  EXPECT_EQ(random.next_u32(), 3260923217u);
  EXPECT_EQ(PythonRandom(0).next_u32(), 3626764237u);
  EXPECT_EQ(PythonRandom(4294967295u).next_u32(), 2728839433u);
}

TEST(PythonRandom, SamplesFromALargePopulation) {
  PythonRandom random(1234);
  EXPECT_THAT(random.sample(7473, 5), ElementsAre(6374, 3610, 957, 61, 742));
  EXPECT_THAT(random.sample(7473, 5), ElementsAre(7462, 6610, 4769, 286, 5501));
  for (int i = 2; i < 1318; ++i) random.sample(7473, 5);
  EXPECT_THAT(random.sample(7473, 5), ElementsAre(220, 4179, 6064, 5599, 5541));
}

TEST(PythonRandom, SamplesFromASmallPopulationByItsPool) {
  PythonRandom random(1234);
  EXPECT_THAT(random.sample(21, 5), ElementsAre(14, 3, 0, 2, 1));   // the largest pool for five
  EXPECT_THAT(random.sample(22, 5), ElementsAre(21, 2, 3, 11, 7));  // the smallest set
  EXPECT_THAT(random.sample(5, 5), ElementsAre(0, 4, 3, 1, 2));
  EXPECT_THAT(random.sample(85, 6), ElementsAre(78, 59, 19, 11, 23, 14));  // a pool: 21 + 4^3
  EXPECT_THAT(random.sample(86, 6), ElementsAre(1, 64, 62, 31, 8, 85));
  EXPECT_THAT(random.sample(1, 1), ElementsAre(0));
}

TEST(PythonRandom, ManyOfALargePopulationAreDistinct) {
  auto all = PythonRandom(7).sample(3000, 1000);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

}  // namespace
}  // namespace bt
