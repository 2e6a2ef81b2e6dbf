#include "layer_kinds.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr IntegerRange kWindowRange{1, int64_t{1} << 31};
constexpr std::string_view kSliding = "sliding_attention", kFull = "full_attention";

// The width of the window where a layer has one; 0: the model has none. null means none, absent the default.
int64_t read_width(const JsonReader& reader, const Json& json, const ModelFamily& family) {
  const bool switched = family.window == WindowRule::upper_layers || family.window == WindowRule::without_rotary;
  if (switched && !reader.boolean("use_sliding_window", false)) return 0;
  return reader.integer("sliding_window", kWindowRange, json.contains("sliding_window") ? 0 : family.sliding_window);
}

// The family's own rule, for files that list no layer_types.
bool slides(const ModelFamily& family, int64_t layer, bool rotary, int64_t first_upper_layer) {
  switch (family.window) {
    case WindowRule::none:
      return false;
    case WindowRule::every_layer:
      return true;
    case WindowRule::upper_layers:
      return layer >= first_upper_layer;
    case WindowRule::even_layers:
      return layer % 2 == 0;
    case WindowRule::without_rotary:
      return !rotary;
  }
  return false;
}

std::vector<bool> read_layer_types(const JsonReader& reader, int64_t layers) {
  const std::string where = reader.where("layer_types");
  const Json::Array& types = reader.required("layer_types").as_array(where);
  if (static_cast<int64_t>(types.size()) != layers) {
    fail_bad_file({.what = "layer_types has not one entry a layer",
                   .where = where,
                   .expected = str(layers),
                   .found = str(types.size())});
  }
  std::vector<bool> sliding;
  for (const Json& type : types) {
    const std::string& name = type.as_string(where);
    if (name != kSliding && name != kFull) {
      fail_bad_file({.what = "unsupported type of layer",
                     .where = where,
                     .expected = str(kFull, " or ", kSliding),
                     .found = quoted_excerpt(name)});
    }
    sliding.push_back(name == kSliding);
  }
  return sliding;
}

}  // namespace

std::vector<bool> read_rotary_layers(const JsonReader& reader, const ModelFamily& family, int64_t layers) {
  std::vector<bool> rotary(static_cast<size_t>(layers), true);
  if (!family.no_rope_layers_key) return rotary;
  if (!reader.has("no_rope_layers")) {
    const int64_t interval = reader.integer("no_rope_layer_interval", {1, 1 << 20}, 4);
    for (int64_t layer = interval - 1; layer < layers; layer += interval) rotary[static_cast<size_t>(layer)] = false;
    return rotary;
  }
  const std::string where = reader.where("no_rope_layers");
  const Json::Array& flags = reader.required("no_rope_layers").as_array(where);
  if (flags.size() < rotary.size()) {
    fail_bad_file({.what = "no_rope_layers is shorter than the model",
                   .where = where,
                   .expected = str("at least ", layers, " entries"),
                   .found = str(flags.size())});
  }
  for (size_t layer = 0; layer < rotary.size(); ++layer) {
    rotary[layer] = checked_integer(flags[layer], {0, 1}, where) == 1;  // despite the key's name, 1 means rotated
  }
  return rotary;
}

std::vector<int64_t> read_windows(const JsonReader& reader, const Json& json, const ModelFamily& family,
                                  const std::vector<bool>& rotary) {
  const auto layers = static_cast<int64_t>(rotary.size());
  std::vector<int64_t> windows(rotary.size(), 0);
  if (family.window == WindowRule::none) return windows;
  const int64_t width = read_width(reader, json, family);
  if (family.window == WindowRule::every_layer) return std::vector<int64_t>(rotary.size(), width);
  const bool listed = reader.has("layer_types");
  const std::vector<bool> types = listed ? read_layer_types(reader, layers) : std::vector<bool>();
  const int64_t upper =
      family.window == WindowRule::upper_layers ? reader.integer("max_window_layers", {0, 1 << 20}, 28) : 0;
  const bool even_without_width = family.window == WindowRule::even_layers;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const auto i = static_cast<size_t>(layer);
    const bool wanted =
        listed ? types[i] : (width > 0 || even_without_width) && slides(family, layer, rotary[i], upper);
    if (wanted && width == 0) {
      fail_bad_file({.what = "a layer has sliding attention, but no width is given for its window",
                     .where = reader.where("sliding_window"),
                     .expected = str("a width for layer ", layer),
                     .found = "none, or use_sliding_window is false"});
    }
    windows[i] = wanted ? width : 0;
  }
  return windows;
}

void add_layer_kinds(const std::vector<bool>& rotary, const std::vector<int64_t>& window, const ModelFamily& family,
                     Json& json) {
  if (family.no_rope_layers_key) {
    Json flags = Json::array();
    for (const bool rotated : rotary) flags.push_back(rotated ? 1 : 0);
    json.set("no_rope_layers", std::move(flags));
  }
  if (family.window == WindowRule::none) {
    BT_ASSERT(std::all_of(window.begin(), window.end(), [](int64_t w) { return w == 0; }));
    return;
  }
  const int64_t width = window.empty() ? 0 : *std::max_element(window.begin(), window.end());
  json.set("sliding_window", width == 0 ? Json() : Json(width));
  if (family.window == WindowRule::every_layer) {
    BT_ASSERT(std::all_of(window.begin(), window.end(), [&](int64_t w) { return w == width; }));
    return;
  }
  Json types = Json::array();
  for (const int64_t w : window) types.push_back(w > 0 ? kSliding : kFull);
  json.set("layer_types", std::move(types));
  if (family.window == WindowRule::even_layers) return;
  json.set("use_sliding_window", width > 0);
  if (family.window != WindowRule::upper_layers) return;
  const auto first = std::find_if(window.begin(), window.end(), [](int64_t w) { return w > 0; });
  json.set("max_window_layers", static_cast<int64_t>(first - window.begin()));
}

}  // namespace bt
