#include "svg.h"

#include <cmath>

#include "bt/core/numerals.h"
#include "bt/core/strings.h"

namespace bt::report {

std::string coordinate(double value) { return number_text(std::round(value * 10) / 10); }

Markup svg_text(double x, double y, Anchor anchor, const std::string& label, const std::string& css_class) {
  Attributes attributes = {{"x", coordinate(x)}, {"y", coordinate(y)}};
  if (anchor != Anchor::start) attributes.emplace_back("text-anchor", anchor == Anchor::middle ? "middle" : "end");
  if (!css_class.empty()) attributes.emplace_back("class", css_class);
  return element("text", attributes, text(label));
}

Markup svg_line(double x1, double y1, double x2, double y2, const std::string& css_class) {
  return element("line", {{"x1", coordinate(x1)},
                          {"y1", coordinate(y1)},
                          {"x2", coordinate(x2)},
                          {"y2", coordinate(y2)},
                          {"class", css_class}});
}

Markup svg_dot(double x, double y, double radius, const std::string& css_class) {
  return element("circle",
                 {{"cx", coordinate(x)}, {"cy", coordinate(y)}, {"r", coordinate(radius)}, {"class", css_class}});
}

Markup x_axis(const Frame& frame, const Axis& axis, const std::string& label) {
  Markup out;
  for (const Tick& tick : axis.ticks) {
    const double x = frame.x(axis, tick.value);
    out += svg_line(x, frame.top, x, frame.bottom(), "grid");
    out += svg_text(x, frame.bottom() + 16, Anchor::middle, tick.label);
  }
  out += svg_line(frame.left, frame.bottom(), frame.right(), frame.bottom(), "axis");
  out += svg_text(frame.left + frame.width / 2, frame.bottom() + 34, Anchor::middle, label);
  return out;
}

Markup y_axis(const Frame& frame, const Axis& axis) {
  Markup out;
  for (const Tick& tick : axis.ticks) {
    const double y = frame.y(axis, tick.value);
    out += svg_line(frame.left, y, frame.right(), y, "grid");
    out += svg_text(frame.left - 6, y + 4, Anchor::end, tick.label);
  }
  return out;
}

Markup figure(const std::string& caption, const std::string& description, double height, const Markup& shapes) {
  const Markup drawing = element("svg",
                                 {{"viewBox", str("0 0 ", coordinate(kChartWidth), " ", coordinate(height))},
                                  {"role", "img"},
                                  {"aria-label", printable(description, 500)}},
                                 shapes);
  Markup content = element("figcaption", text(caption));
  content += element("div", {{"class", "scroll"}}, drawing);
  return element("figure", content);
}

std::string series_class(size_t series) {
  constexpr size_t kColours = 7, kDashes = 4;
  return str("s", series % kColours, " d", series / kColours % kDashes);
}

Markup legend(const std::vector<std::string>& names) {
  Markup items;
  for (size_t i = 0; i < names.size(); ++i) {
    Markup item = element("svg", {{"viewBox", "0 0 28 10"}, {"class", "swatch"}, {"aria-hidden", "true"}},
                          svg_line(1, 5, 27, 5, "curve " + series_class(i)));
    item += text(names[i]);
    items += element("li", item);
  }
  return element("ul", {{"class", "legend"}}, items);
}

}  // namespace bt::report
