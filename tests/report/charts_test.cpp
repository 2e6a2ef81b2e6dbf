#include <cmath>
#include <limits>
#include <set>

#include "../../src/report/heat_map.h"
#include "../../src/report/interval_plot.h"
#include "../../src/report/line_chart.h"
#include "../../src/report/svg.h"
#include "report_support.h"

namespace bt::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Outline, KeepsEveryPeakOfLongCurves) {
  std::vector<double> values(10'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 7);
  values[3333] = 50;
  values[7777] = -50;
  values[5000] = kNan;
  const std::vector<size_t> kept = outline(values, 300);
  EXPECT_LE(kept.size(), 300u);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  for (const size_t place : {3333u, 7777u, 5000u}) EXPECT_THAT(kept, ::testing::Contains(place));
}

TEST(Outline, KeepsAllOfShortCurves) {
  EXPECT_THAT(outline({3, kNan, 1}, 300), ElementsAre(0, 1, 2));
  EXPECT_THAT(outline({}, 300), ElementsAre());
}

TEST(LineChart, DrawsWhereTheValuesAre) {
  const std::string svg = line_chart({"loss", "training step", {{"a", 1, {0, 50, 100}, {0, 10, 5}}}}).xml;
  EXPECT_EQ(testing::malformed(svg), "");
  EXPECT_THAT(svg, HasSubstr("d=\"M64 230L297 10L530 120\" class=\"curve s1 d0\""));
  EXPECT_THAT(svg, HasSubstr("training step"));
}

TEST(LineChart, LeavesGapsAndMarksSingleValues) {
  std::vector<double> x, y;
  for (int i = 0; i < 60; ++i) {
    x.push_back(i);
    y.push_back(i % 2 == 0 || i > 50 ? 1.0 + i : kNan);
  }
  const std::string svg = line_chart({"loss", "step", {{"a", 0, x, y}}}).xml;
  EXPECT_EQ(count(svg, "<circle"), 25u);  // 0, 2 … 48; from 50 on the values are one stretch
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(line_chart({"loss", "step", {{"a", 0, {1, 2}, {kNan, kNan}}}}).xml, "");
  EXPECT_EQ(line_chart({"loss", "step", {}}).xml, "");
}

TEST(LineChart, SizeIsBounded) {
  std::vector<double> x(200'000), y(200'000);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<double>(i);
    y[i] = std::sin(x[i]);
  }
  EXPECT_LT(line_chart({"loss", "step", {{"a", 0, x, y}}}).xml.size(), 12'000u);
}

TEST(LineChart, TakesLogarithmsOfPositiveValuesAlone) {
  const auto chart = [](std::vector<double> y) {
    return line_chart({"norm", "step", {{"a", 0, {1, 2}, std::move(y)}}, true}).xml;
  };
  EXPECT_THAT(chart({0.01, 10}), HasSubstr("logarithmic"));
  EXPECT_THAT(chart({0.1, 1}), Not(HasSubstr("logarithmic")));
  EXPECT_THAT(chart({0, 10}), Not(HasSubstr("logarithmic")));
}

TEST(HeatMap, ShadesFollowTheScale) {
  const std::string svg = heat_map({"sizes", {10, 20}, {{0, 1}, {0.5, kNan}}, 0, 1}).xml;
  EXPECT_EQ(testing::malformed(svg), "");
  EXPECT_THAT(svg, HasSubstr("d=\"M64 10h210v24h-210z\" class=\"h0\""));   // layer 0 of the first step
  EXPECT_THAT(svg, HasSubstr("d=\"M64 34h210v24h-210z\" class=\"h15\""));  // layer 1, the greatest
  EXPECT_THAT(svg, HasSubstr("d=\"M274 10h210v24h-210z\" class=\"h8\""));  // the second step
  EXPECT_THAT(svg, Not(HasSubstr("M274 34")));                             // not finite: empty
}

TEST(HeatMap, NeighboursAreDrawnAsTheirMean) {
  HeatMap map{"sizes", {}, {}, 0, 1};
  for (int step = 0; step < 960; ++step) {
    map.steps.push_back(step);
    map.values.push_back({step % 2 == 0 ? 0.0 : 1.0});
  }
  const std::string svg = heat_map(map).xml;
  EXPECT_EQ(count(svg, "M64 10h4.4"), 1u);
  EXPECT_EQ(count(svg.substr(0, svg.find("class=\"h8\"")), "v48h-4.4z"), 96u);
  map.values.assign(960, std::vector<double>(1000, 0.5));
  EXPECT_LT(heat_map(map).xml.size(), 400'000u);
}

TEST(HeatMap, HoldsWithoutFigures) {
  EXPECT_EQ(heat_map({"sizes", {1}, {{}}, 0, 1}).xml, "");
  EXPECT_EQ(testing::malformed(heat_map({"sizes", {1}, {{kNan}}, 0, 0}).xml), "");
}

TEST(IntervalPlot, DrawsIntervalDotsAndZero) {
  IntervalPlot plot{"differences", "points", {}, true};
  plot.rows.push_back({.label = "a", .note = "+1", .series = 0, .value = 1, .interval = Interval{-2, 4}, .dots = {}});
  plot.rows.push_back({.label = "b", .note = "+2", .series = 8, .value = 2, .interval = {}, .dots = {1, 3, kNan}});
  const std::string svg = interval_plot(plot).xml;
  EXPECT_EQ(testing::malformed(svg), "");
  // -2 to 4 lie on 16 to 544.
  EXPECT_THAT(svg, HasSubstr("x1=\"16\" y1=\"29\" x2=\"544\" y2=\"29\" class=\"curve s0 d0\""));
  EXPECT_THAT(svg, HasSubstr("cx=\"280\" cy=\"29\" r=\"4\""));
  EXPECT_THAT(svg, HasSubstr("x1=\"192\" y1=\"6\" x2=\"192\" y2=\"74\" class=\"axis\""));
  EXPECT_EQ(count(svg, "class=\"ring s1 d0\""), 2u);
  EXPECT_THAT(svg, HasSubstr("class=\"mean s1 d0\""));
  EXPECT_EQ(
      interval_plot({"none", "points", {{.label = "a", .note = "", .value = kNan, .interval = {}, .dots = {}}}}).xml,
      "");
}

TEST(Series, TwentyEightLookDifferent) {
  std::set<std::string> classes;
  for (size_t i = 0; i < 28; ++i) classes.insert(series_class(i));
  EXPECT_EQ(classes.size(), 28u);
}

}  // namespace
}  // namespace bt::report
