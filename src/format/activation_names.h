// Activations by the names that config.json gives them.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "bt/format/model_config.h"

namespace bt {

struct ActivationName {
  std::string_view name;
  Activation activation;
};
inline constexpr std::array<ActivationName, 5> kActivationNames = {{
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"gelu", Activation::gelu},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_new", Activation::gelu_tanh},
}};

inline std::optional<Activation> activation_of(std::string_view name) {
  for (const ActivationName& entry : kActivationNames) {
    if (entry.name == name) return entry.activation;
  }
  return std::nullopt;
}

inline std::string_view activation_name(Activation activation) {
  for (const ActivationName& entry : kActivationNames) {
    if (entry.activation == activation) return entry.name;
  }
  return {};
}

}  // namespace bt
