#include "interval_plot.h"

#include <algorithm>
#include <cmath>

#include "bt/core/strings.h"
#include "svg.h"

namespace bt::report {
namespace {

constexpr double kTop = 6, kRowHeight = 34;
constexpr double kTextBase = 13, kMarkLine = 23;   // of a row, from its top
constexpr size_t kMostLabel = 48, kMostNote = 32;  // bytes: both fit side by side

std::vector<double> finite_numbers(const IntervalPlot& plot) {
  std::vector<double> numbers;
  const auto add = [&](double value) {
    if (std::isfinite(value)) numbers.push_back(value);
  };
  for (const IntervalRow& row : plot.rows) {
    if (row.value) add(*row.value);
    if (row.interval) {
      add(row.interval->low);
      add(row.interval->high);
    }
    for (const double dot : row.dots) add(dot);
  }
  return numbers;
}

bool is_finite(const Interval& interval) { return std::isfinite(interval.low) && std::isfinite(interval.high); }

Markup marks(const IntervalRow& row, const Frame& frame, const Axis& axis, double y) {
  const std::string series = series_class(row.series % 7);  // without dashes
  Markup out;
  if (row.interval && is_finite(*row.interval)) {
    const double low = frame.x(axis, row.interval->low), high = frame.x(axis, row.interval->high);
    out += svg_line(low, y, high, y, "curve " + series);
    for (const double end : {low, high}) out += svg_line(end, y - 4, end, y + 4, "curve " + series);
  }
  for (const double dot : row.dots) {
    if (std::isfinite(dot)) out += svg_dot(frame.x(axis, dot), y, 3, "ring " + series);
  }
  if (row.value && std::isfinite(*row.value)) {
    const double x = frame.x(axis, *row.value);
    out += row.dots.empty() ? svg_dot(x, y, 4, "dot " + series) : svg_line(x, y - 6, x, y + 6, "mean " + series);
  }
  return out;
}

}  // namespace

Markup interval_plot(const IntervalPlot& plot) {
  std::vector<double> numbers = finite_numbers(plot);
  if (numbers.empty()) return {};
  if (plot.shows_zero) numbers.push_back(0);
  const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
  const Axis axis = linear_axis(*low, *high, 6);
  const Frame frame{16, kTop, kChartWidth - 32, kRowHeight * static_cast<double>(plot.rows.size())};
  Markup shapes = x_axis(frame, axis, plot.x_label);
  if (plot.shows_zero) shapes += svg_line(frame.x(axis, 0), frame.top, frame.x(axis, 0), frame.bottom(), "axis");
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const IntervalRow& row = plot.rows[i];
    const double top = kTop + kRowHeight * static_cast<double>(i);
    Markup drawn = element("title", text(row.label));
    drawn += svg_text(frame.left, top + kTextBase, Anchor::start, printable(row.label, kMostLabel), "over");
    drawn += svg_text(frame.right(), top + kTextBase, Anchor::end, printable(row.note, kMostNote), "over");
    drawn += marks(row, frame, axis, top + kMarkLine);
    shapes += element("g", drawn);
  }
  return figure(plot.caption, str(plot.caption, ": ", plot.rows.size(), " rows, listed in the table"),
                frame.bottom() + 42, shapes);
}

}  // namespace bt::report
