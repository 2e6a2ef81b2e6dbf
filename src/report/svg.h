// What the charts share: coordinates, the frame with its axes, colours as CSS classes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "axis.h"
#include "markup.h"

namespace bt::report {

constexpr double kChartWidth = 560;  // units of the view box

std::string coordinate(double value);  // at most one decimal: "12.5"

// The area of a chart inside its labels, in units of the view box.
struct Frame {
  double left, top, width, height;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
  double x(const Axis& axis, double value) const { return left + width * axis.share(value); }
  double y(const Axis& axis, double value) const { return bottom() - height * axis.share(value); }
};

enum class Anchor { start, middle, end };
Markup svg_text(double x, double y, Anchor anchor, const std::string& label, const std::string& css_class = "");
Markup svg_line(double x1, double y1, double x2, double y2, const std::string& css_class);
Markup svg_dot(double x, double y, double radius, const std::string& css_class);

Markup x_axis(const Frame& frame, const Axis& axis, const std::string& label);  // grid, ticks and label below the frame
Markup y_axis(const Frame& frame, const Axis& axis);                            // grid and ticks left of the frame

// A chart with its caption. `description` is read aloud in its place.
Markup figure(const std::string& caption, const std::string& description, double height, const Markup& shapes);

// Classes of the style sheet: seven colours that colour-blind readers tell apart (Okabe and Ito 2008), by four dashes.
std::string series_class(size_t series);
Markup legend(const std::vector<std::string>& names);

}  // namespace bt::report
