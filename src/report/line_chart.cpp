#include "line_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bt/core/strings.h"
#include "figures.h"
#include "svg.h"

namespace bt::report {
namespace {

constexpr size_t kMostPoints = 400;  // of a line: the drawing is 466 units wide
constexpr size_t kMostMarked = 40;   // a line of so few points gets dots
constexpr Frame kFrame{64, 10, 466, 220};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return low > high; }
};

struct Extent {
  Range x, y;
};

Extent extent_of(const std::vector<Line>& lines) {
  Extent extent;
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.y.size(); ++i) {
      if (!std::isfinite(line.y[i])) continue;
      extent.x.add(line.x[i]);
      extent.y.add(line.y[i]);
    }
  }
  return extent;
}

// The stretches of finite values as one path; a value between two gaps would not show, so it gets a dot.
Markup curve(const Line& line, const Axis& x_axis, const Axis& y_axis) {
  const std::vector<size_t> shown = outline(line.y, kMostPoints);
  std::string path;
  Markup dots;
  const auto is_finite = [&](size_t i) { return i < shown.size() && std::isfinite(line.y[shown[i]]); };
  for (size_t i = 0; i < shown.size(); ++i) {
    if (!is_finite(i)) continue;
    const double x = kFrame.x(x_axis, line.x[shown[i]]), y = kFrame.y(y_axis, line.y[shown[i]]);
    const bool begins = i == 0 || !is_finite(i - 1);
    path += str(begins ? "M" : "L", coordinate(x), " ", coordinate(y));
    if (shown.size() <= kMostMarked || (begins && !is_finite(i + 1))) {
      dots += svg_dot(x, y, 2.5, "dot " + series_class(line.series));
    }
  }
  Markup out = element("title", text(line.name));
  out += element("path", {{"d", path}, {"class", "curve " + series_class(line.series)}});
  out += dots;
  return element("g", out);
}

}  // namespace

std::vector<size_t> outline(const std::vector<double>& values, size_t most) {
  std::vector<size_t> kept;
  const size_t stretches = values.size() <= most ? values.size() : most / 3;
  for (size_t stretch = 0; stretch < stretches; ++stretch) {
    const size_t begin = stretch * values.size() / stretches, end = (stretch + 1) * values.size() / stretches;
    size_t least = end, greatest = end, gap = end;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) {
        gap = i;
        continue;
      }
      if (least == end || values[i] < values[least]) least = i;
      if (greatest == end || values[i] > values[greatest]) greatest = i;
    }
    std::vector<size_t> places = {least, greatest, gap};
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (const size_t place : places) {
      if (place != end) kept.push_back(place);
    }
  }
  return kept;
}

Markup line_chart(const LineChart& chart) {
  const auto [x, y] = extent_of(chart.lines);
  if (y.is_empty()) return {};
  const bool is_logarithmic = chart.may_be_logarithmic && y.low > 0 && y.high / y.low > 100;
  const Axis across = linear_axis(std::min(0.0, x.low), x.high, 6, /*is_rounded=*/false);
  const Axis up = is_logarithmic ? logarithmic_axis(y.low, y.high) : linear_axis(y.low, y.high, 5);
  Markup shapes = x_axis(kFrame, across, chart.x_label);
  shapes += y_axis(kFrame, up);
  for (const Line& line : chart.lines) shapes += curve(line, across, up);
  const std::string scale = is_logarithmic ? " (logarithmic scale)" : "";
  return figure(chart.caption + scale,
                str(chart.caption, " of ", chart.lines.size(), " runs, from ", significant(y.low), " to ",
                    significant(y.high), ", up to ", significant(x.high), " on the ", chart.x_label, " axis"),
                kFrame.bottom() + 42, shapes);
}

}  // namespace bt::report
