// How the C++ entry points reach the dispatcher.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

namespace bt::ops {

template <class Signature>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

inline std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

}  // namespace bt::ops
