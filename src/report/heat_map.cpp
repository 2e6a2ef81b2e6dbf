#include "heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bt/core/strings.h"
#include "figures.h"
#include "svg.h"

namespace bt::report {
namespace {

constexpr size_t kShades = 16;  // classes h0 to h15 of the style sheet
constexpr size_t kMostColumns = 96, kMostRows = 96;
constexpr double kLeft = 64, kTop = 10, kWidth = 420, kBarLeft = 500, kBarWidth = 12;

// Mean of the finite figures of the cells that share a place in the drawing.
struct Grid {
  size_t columns, rows;
  std::vector<double> sums = std::vector<double>(columns * rows), counts = sums;
  double mean(size_t column, size_t row) const { return sums[column * rows + row] / counts[column * rows + row]; }
  void add(size_t column, size_t row, double value) {
    sums[column * rows + row] += value;
    ++counts[column * rows + row];
  }
};

size_t layers_of(const HeatMap& map) {
  size_t layers = 0;
  for (const std::vector<double>& column : map.values) layers = std::max(layers, column.size());
  return layers;
}

Grid make_grid(const HeatMap& map, size_t layers) {
  Grid grid{std::min(map.values.size(), kMostColumns), std::min(layers, kMostRows)};
  for (size_t c = 0; c < map.values.size(); ++c) {
    for (size_t layer = 0; layer < map.values[c].size(); ++layer) {
      if (!std::isfinite(map.values[c][layer])) continue;
      grid.add(c * grid.columns / map.values.size(), layer * grid.rows / layers, map.values[c][layer]);
    }
  }
  return grid;
}

size_t shade(const HeatMap& map, double value) {
  const double share = map.high > map.low ? (value - map.low) / (map.high - map.low) : 0;
  return static_cast<size_t>(std::clamp(share * kShades, 0.0, kShades - 1.0));
}

std::string rectangle(double x, double y, double width, double height) {
  return str("M", coordinate(x), " ", coordinate(y), "h", coordinate(width), "v", coordinate(height), "h-",
             coordinate(width), "z");
}

// All cells of a shade are one path: a page of rectangles would be ten times as large.
Markup cells(const HeatMap& map, const Grid& grid, double height) {
  std::array<std::string, kShades> paths;
  const double width_of_cell = kWidth / static_cast<double>(grid.columns);
  const double height_of_cell = height / static_cast<double>(grid.rows);
  for (size_t c = 0; c < grid.columns; ++c) {
    for (size_t r = 0; r < grid.rows; ++r) {
      const double mean = grid.mean(c, r);
      if (!std::isfinite(mean)) continue;
      paths[shade(map, mean)] +=
          rectangle(kLeft + static_cast<double>(c) * width_of_cell, kTop + static_cast<double>(r) * height_of_cell,
                    width_of_cell, height_of_cell);
    }
  }
  Markup out;
  for (size_t s = 0; s < kShades; ++s) {
    if (!paths[s].empty()) out += element("path", {{"d", paths[s]}, {"class", str("h", s)}});
  }
  return out;
}

// A column's label stands under its middle, and as many fit as have 60 units each.
Markup step_labels(const HeatMap& map, double bottom) {
  Markup out;
  const size_t count = map.steps.size(), labels = std::min<size_t>(count, 7);
  for (size_t i = 0; i < labels; ++i) {
    const size_t column = labels == 1 ? 0 : i * (count - 1) / (labels - 1);
    const double x = kLeft + kWidth * (static_cast<double>(column) + 0.5) / static_cast<double>(count);
    out += svg_text(x, bottom + 16, Anchor::middle, grouped(std::llround(std::clamp(map.steps[column], -1e15, 1e15))));
  }
  out += svg_text(kLeft + kWidth / 2, bottom + 34, Anchor::middle, "training step");
  return out;
}

Markup layer_labels(size_t layers, double height) {
  Markup out;
  const size_t every = (layers + 11) / 12;
  for (size_t layer = 0; layer < layers; layer += every) {
    const double y = kTop + height * (static_cast<double>(layer) + 0.5) / static_cast<double>(layers);
    out += svg_text(kLeft - 6, y + 4, Anchor::end, layer == 0 ? "layer 0" : str(layer));
  }
  return out;
}

Markup colour_bar(const HeatMap& map, double height) {
  Markup out;
  const double part = height / kShades;
  for (size_t s = 0; s < kShades; ++s) {
    const double y = kTop + height - static_cast<double>(s + 1) * part;
    out += element("path", {{"d", rectangle(kBarLeft, y, kBarWidth, part)}, {"class", str("h", s)}});
  }
  out += svg_text(kBarLeft + kBarWidth + 4, kTop + height, Anchor::start, significant(map.low, 2));
  out += svg_text(kBarLeft + kBarWidth + 4, kTop + 9, Anchor::start, significant(map.high, 2));
  return out;
}

}  // namespace

Markup heat_map(const HeatMap& map) {
  const size_t layers = layers_of(map);
  if (layers == 0) return {};
  const double height = std::clamp(16.0 * static_cast<double>(layers), 48.0, 288.0);
  Markup shapes = element("path", {{"d", rectangle(kLeft, kTop, kWidth, height)}, {"class", "void"}});
  shapes += cells(map, make_grid(map, layers), height);
  shapes += step_labels(map, kTop + height);
  shapes += layer_labels(layers, height);
  shapes += colour_bar(map, height);
  return figure(map.caption,
                str(map.caption, ": ", layers, " layers at ", map.steps.size(), " steps, colours from ",
                    significant(map.low), " to ", significant(map.high)),
                kTop + height + 42, shapes);
}

}  // namespace bt::report
