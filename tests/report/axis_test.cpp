#include "../../src/report/axis.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace bt::report {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) out.push_back(tick.label);
  return out;
}

TEST(ReportAxis, TicksAreRound) {
  EXPECT_THAT(labels(linear_axis(0.283, 0.417, 5)), ElementsAre("0.25", "0.3", "0.35", "0.4", "0.45"));
  EXPECT_THAT(labels(linear_axis(0, 10000, 6)), ElementsAre("0", "2,000", "4,000", "6,000", "8,000", "10,000"));
  EXPECT_THAT(labels(linear_axis(-1.2, 2.9, 5)), ElementsAre("-2", "-1", "0", "1", "2", "3"));
  EXPECT_THAT(labels(linear_axis(1e-4, 3e-4, 4)), ElementsAre("0.0001", "0.00015", "0.0002", "0.00025", "0.0003"));
  EXPECT_THAT(labels(linear_axis(2.71, 2.716, 3)), ElementsAre("2.71", "2.712", "2.714", "2.716"));
}

TEST(ReportAxis, EndsLieOnTicksOrStayWhereTheyWere) {
  const Axis rounded = linear_axis(0.3, 9.7, 5), exact = linear_axis(0.3, 9.7, 5, false);
  EXPECT_EQ(rounded.low, 0);
  EXPECT_EQ(rounded.high, 10);
  EXPECT_EQ(exact.low, 0.3);
  EXPECT_EQ(exact.high, 9.7);
  EXPECT_THAT(labels(exact), ElementsAre("2", "4", "6", "8"));
  EXPECT_DOUBLE_EQ(rounded.share(2.5), 0.25);
  EXPECT_EQ(rounded.share(1e9), 1);
  EXPECT_EQ(linear_axis(0, 0, 5).low, 0);
}

TEST(ReportAxis, HoldsForAnyFiniteNumbers) {
  const double tiny = std::numeric_limits<double>::denorm_min(), huge = std::numeric_limits<double>::max();
  const std::vector<std::pair<double, double>> ranges = {
      {0, 0},         {7, 7},       {-3, -3},         {0, tiny},
      {-huge, huge},  {huge, huge}, {1e15, 1e15 + 1}, {-1e-200, 1e-200},
      {1, 1 + 1e-15}, {tiny, tiny}, {0.1, 1e300},     {-5, 1e-300}};
  for (const auto& [low, high] : ranges) {
    for (const bool is_rounded : {true, false}) {
      const Axis axis = linear_axis(low, high, 5, is_rounded);
      EXPECT_LT(axis.low, axis.high) << low << " " << high;
      EXPECT_TRUE(std::isfinite(axis.high - axis.low)) << low << " " << high;
      EXPECT_GE(axis.ticks.size(), 2u) << low << " " << high;
      EXPECT_LE(axis.ticks.size(), 12u) << low << " " << high;
      EXPECT_TRUE(std::isfinite(axis.share(low))) << low << " " << high;
      for (size_t i = 1; i < axis.ticks.size(); ++i) {
        EXPECT_NE(axis.ticks[i].label, axis.ticks[i - 1].label) << low << " " << high;
      }
    }
  }
}

TEST(ReportAxis, LogarithmsHavePowersOfTen) {
  const Axis axis = logarithmic_axis(0.03, 52);
  EXPECT_THAT(labels(axis), ElementsAre("0.01", "0.1", "1", "10", "100"));
  EXPECT_DOUBLE_EQ(axis.share(1), 0.5);
  EXPECT_EQ(axis.share(-1), 0);
  const Axis wide = logarithmic_axis(std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max());
  EXPECT_THAT(wide.ticks, SizeIs(::testing::Le(10u)));
  EXPECT_TRUE(std::isfinite(wide.share(1)));
}

}  // namespace
}  // namespace bt::report
