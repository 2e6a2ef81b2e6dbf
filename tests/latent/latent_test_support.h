// Methods as a registry gives them, and batches of boundary events without an engine.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bt/core/config_node.h"
#include "support/tiny.h"

namespace bt::testing {

inline at::Tensor random_normal(at::IntArrayRef shape, const char* name) {
  at::Tensor x = at::empty(shape, at::kFloat);
  fill_normal({x.mutable_data_ptr<float>(), static_cast<size_t>(x.numel())}, 1.0, 3, stream_id(name));
  return x.to(at::kDouble);
}

// A method of the tiny model with the tiny processor's sizes, by its name and more lines of YAML; or YAML in braces,
// which says all.
inline std::unique_ptr<Method> tiny_method(const std::string& name, const std::string& yaml = "", int64_t layers = 3) {
  const std::string processor =
      "recent: 4\nwidth: 12\nheads: 3\nfeed_forward: 20\ngate_init: -0.3\nout_deviation: 0.2\n";
  const std::string rows = "recent: 4\nrecall: 3\n";
  std::string base;
  if (name == "bt" || name == "append_rows") base = processor + "recall: 3\n";
  if (name == "recent_only") base = processor;
  if (name == "constant_rewrite" || name == "mean_shift") base = rows;
  if (name == "lora") base = "rank: 2\n";
  auto options = make_method_options(name);
  read_options(parse_yaml(yaml.starts_with("{") ? yaml : base + yaml, "test.yaml"), *options);
  return make_method(name, *options, tiny_context(tiny_config(layers)));
}

// Moves every parameter off its initial value, so that nothing is zero by construction.
inline void perturb(Method& method, double deviation = 0.1) {
  at::NoGradGuard no_grad;
  method.parameters()->flat().add_(deviation * random_normal(method.parameters()->flat().sizes(), "perturbation"));
}

// Events of `layers` layers with 3, 7 and 0 real entries of W = 7: recent first, then recalled.
inline Events some_events(int64_t layers) {
  constexpr int64_t entries = 7, width = 2 * 2 * 8;
  Events events;
  events.layer_end = layers;
  const at::Tensor kind_EW =
      at::tensor({1, 1, 2, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0}, at::kChar).view({3, entries});
  events.kind_YEW = kind_EW.unsqueeze(0).expand({layers, 3, entries}).contiguous();
  const at::Tensor real = (events.kind_YEW != 0).unsqueeze(-1);
  events.u_YEWC = random_normal({layers, 3, entries, width}, "entries") * real;
  events.position_YEW = at::arange(layers * 3 * entries).view({layers, 3, entries}) * 5 % 97;
  events.mass_YEW = random_normal({layers, 3, entries}, "mass").abs() * (events.kind_YEW != 0);
  events.source_E = at::tensor({100, 103, 101}, at::kLong);
  events.ordinal_E = at::tensor({0, 2, 1}, at::kLong);
  return events;
}

// One layer of the events.
inline Events layer_of(const Events& events, int64_t layer) {
  Events one = events;
  one.layer_begin = layer;
  one.layer_end = layer + 1;
  one.u_YEWC = events.u_YEWC.narrow(0, layer, 1);
  one.position_YEW = events.position_YEW.narrow(0, layer, 1);
  one.kind_YEW = events.kind_YEW.narrow(0, layer, 1);
  one.mass_YEW = events.mass_YEW.narrow(0, layer, 1);
  return one;
}

inline std::vector<at::Tensor> stacked_parameters(const Method& method) {
  return method.parameters() != nullptr ? method.parameters()->stacked() : std::vector<at::Tensor>();
}

inline Edit edit_of(const Method& method, const Events& events) {
  at::NoGradGuard no_grad;
  return method.effects().rewrite->edit(events, stacked_parameters(method));
}

inline double greatest(const at::Tensor& x) { return x.numel() == 0 ? 0 : x.abs().max().item<double>(); }

}  // namespace bt::testing
