// Index tables made on the host.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace bt {

inline at::Tensor host_tensor(const std::vector<int64_t>& values, at::IntArrayRef shape = {}) {
  const at::Tensor host = at::tensor(at::ArrayRef<int64_t>(values), at::kLong);
  return shape.empty() ? host : host.view(shape);
}

inline at::Tensor to_tensor(const std::vector<int64_t>& values, at::Device device, at::IntArrayRef shape = {}) {
  return host_tensor(values, shape).to(device);
}

}  // namespace bt
