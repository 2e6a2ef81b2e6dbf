// Numbers of the three types that elementwise kernels take, and the bound on a kernel's error.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/device.cuh"
#include "kernels/kernel_test_support.h"

namespace bt::testing {

using kernels::Element;

// Of typed tests, which cannot name _Float16 itself.
template <class T>
struct Of {
  using Type = T;
};
using ElementTypes = ::testing::Types<Of<float>, Of<kernels::bfloat16>, Of<kernels::half>>;

template <class T>
constexpr Element element_of = sizeof(T) == 4                         ? Element::fp32
                               : std::is_same_v<T, kernels::bfloat16> ? Element::bf16
                                                                      : Element::fp16;

// On 16 bytes, as tensors are.
template <class T>
class Buffer {
 public:
  explicit Buffer(const std::vector<float>& from) : packs_(from.size() * sizeof(T) / 16 + 1), size_(from.size()) {
    std::transform(from.begin(), from.end(), data(), [](float x) { return kernels::narrow<T>(x); });
  }
  explicit Buffer(size_t size, float value = -77) : Buffer(std::vector<float>(size, value)) {}

  T* data() { return packs_.data()->at; }
  const T* data() const { return packs_.data()->at; }
  float operator[](int64_t i) const { return kernels::widen(data()[i]); }
  std::vector<float> values() const {
    std::vector<float> out(size_);
    for (size_t i = 0; i < size_; ++i) out[i] = kernels::widen(data()[i]);
    return out;
  }

 private:
  std::vector<kernels::Pack<T>> packs_;
  size_t size_;
};

template <class T>
Buffer<T> random_buffer(int64_t size, uint64_t seed, float low = -2, float high = 2) {
  return Buffer<T>(random_floats(static_cast<size_t>(size), seed, low, high));
}

template <class T>
float rounded(double x) {
  return kernels::widen(kernels::narrow<T>(static_cast<float>(x)));
}

// The greatest error of a kernel and of a plain composition of rounded operations, against fp64.
class Errors {
 public:
  void add(double kernel, double plain, double exact) {
    kernel_ = std::max(kernel_, std::abs(kernel - exact));
    plain_ = std::max(plain_, std::abs(plain - exact));
    greatest_ = std::max(greatest_, std::abs(exact));
  }
  void expect_bounded(const char* what) const { EXPECT_LE(kernel_, 2 * plain_ + 1e-7 * greatest_) << what; }

 private:
  double kernel_ = 0, plain_ = 0, greatest_ = 0;
};

}  // namespace bt::testing
