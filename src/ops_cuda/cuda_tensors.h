// What the registrations of CUDA kernels share.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <climits>
#include <optional>

#include "kernels/types.h"

namespace bt::ops {

// For the duration of a call: the tensor's device is the current one. Check after the launch.
class OnDeviceOf {
 public:
  explicit OnDeviceOf(const at::Tensor& tensor) : guard_(tensor.device()) {}
  kernels::Stream stream() const { return c10::cuda::getCurrentCUDAStream().stream(); }
  void check() const { C10_CUDA_KERNEL_LAUNCH_CHECK(); }

 private:
  c10::cuda::CUDAGuard guard_;
};

// What kernels call the dtype; nothing where they do not take it.
inline std::optional<kernels::Element> element_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return kernels::Element::fp32;
    case at::kBFloat16:
      return kernels::Element::bf16;
    case at::kHalf:
      return kernels::Element::fp16;
    default:
      return std::nullopt;
  }
}

inline int as_int(int64_t value, const char* what) {
  TORCH_CHECK(value >= 0 && value <= INT_MAX, what, " does not fit a kernel's 32-bit counter: ", value);
  return static_cast<int>(value);
}

// KvView::place_B as kernels take it, contiguous; undefined where there is none.
inline at::Tensor places(const std::optional<at::Tensor>& place_B, int64_t sequences, at::Device device) {
  if (!place_B) return {};
  TORCH_CHECK(place_B->numel() == sequences && place_B->scalar_type() == at::kLong && place_B->device() == device,
              "places must be int64 [B] beside the cache, found ", place_B->sizes(), " of ", place_B->scalar_type(),
              " for ", sequences, " sequences");
  return place_B->contiguous();
}

}  // namespace bt::ops
