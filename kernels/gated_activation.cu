// A thread for every pack.
#include "kernels/elementwise.cuh"
#include "kernels/gated_activation.h"

namespace bt::kernels {
namespace {

constexpr unsigned kThreads = 256;

struct Activated {
  float value, slope;
};

__device__ __forceinline__ Activated silu(float x) {
  const float inverse = 1 + expf(-x), sigmoid = 1 / inverse;
  return {x / inverse, sigmoid * (1 + x * (1 - sigmoid))};
}

__device__ __forceinline__ Activated gelu(float x) {
  constexpr float kRootHalf = 0.70710678f, kDensity = 0.39894228f;  // sqrt(1/2), 1/sqrt(2 pi)
  const float below = .5f * (1 + erff(x * kRootHalf));
  return {x * below, below + x * kDensity * expf(-.5f * x * x)};
}

__device__ __forceinline__ Activated gelu_tanh(float x) {
  constexpr float kRoot = 0.79788456f, kCubic = 0.044715f;  // sqrt(2/pi)
  const float t = tanhf(kRoot * (x + kCubic * x * x * x));
  return {.5f * x * (1 + t), .5f * (1 + t) + .5f * x * (1 - t * t) * kRoot * (1 + 3 * kCubic * x * x)};
}

// f(act) with the function that is named: one choice for all elements of a pack.
template <class F>
__device__ __forceinline__ void with_activation(GateActivation activation, const F& f) {
  switch (activation) {
    case GateActivation::silu:
      return f([](float x) { return silu(x); });
    case GateActivation::gelu:
      return f([](float x) { return gelu(x); });
    case GateActivation::gelu_tanh:
      return f([](float x) { return gelu_tanh(x); });
  }
}

// Where a thread's pack lies: row and column.
struct Place {
  int64_t row;
  int column;
  bool real;
  __device__ __forceinline__ int64_t at(int64_t stride) const { return row * stride + column; }
};

template <class T>
__device__ __forceinline__ Place place_of(int rows, int width) {
  const unsigned packs = static_cast<unsigned>(width / Pack<T>::kSize), item = blockIdx.x * kThreads + threadIdx.x;
  const unsigned row = item / packs;
  return {row, static_cast<int>((item - row * packs) * Pack<T>::kSize), row < static_cast<unsigned>(rows)};
}

template <class T>
__global__ void __launch_bounds__(kThreads) gate_packs(GatedActivation work) {
  const Place place = place_of<T>(work.rows, work.width);
  if (!place.real) return;
  Pack<T> gate = load_pack(static_cast<const T*>(work.gate) + place.at(work.gate_stride));
  const Pack<T> up = load_pack(static_cast<const T*>(work.up) + place.at(work.up_stride));
  with_activation(work.activation, [&](const auto& act) {
    each_element<T>([&](int e) { gate.at[e] = narrow<T>(rounded<T>(act(widen(gate.at[e])).value) * widen(up.at[e])); });
  });
  store_pack(static_cast<T*>(work.out) + place.at(work.out_stride), gate);
}

template <class T>
__global__ void __launch_bounds__(kThreads) gate_packs_backward(GatedActivationBackward work) {
  const Place place = place_of<T>(work.rows, work.width);
  if (!place.real) return;
  const Pack<T> d_out = load_pack(static_cast<const T*>(work.d_out) + place.at(work.d_out_stride));
  Pack<T> gate = load_pack(static_cast<const T*>(work.gate) + place.at(work.gate_stride));
  Pack<T> up = load_pack(static_cast<const T*>(work.up) + place.at(work.up_stride));
  with_activation(work.activation, [&](const auto& act) {
    each_element<T>([&](int e) {
      const Activated a = act(widen(gate.at[e]));
      const float d = widen(d_out.at[e]);
      gate.at[e] = narrow<T>(d * widen(up.at[e]) * a.slope);
      up.at[e] = narrow<T>(d * rounded<T>(a.value));
    });
  });
  store_pack(static_cast<T*>(work.d_gate) + place.at(work.d_gate_stride), gate);
  store_pack(static_cast<T*>(work.d_up) + place.at(work.d_up_stride), up);
}

template <class T>
dim3 blocks_for(int64_t rows, int64_t width) {
  return dim3(static_cast<unsigned>((rows * (width / Pack<T>::kSize) + kThreads - 1) / kThreads));
}

}  // namespace

bool gated_activation_takes(int64_t rows, int64_t width, Element type) {
  const int64_t size = type == Element::fp32 ? 4 : 8;
  return width % size == 0 && rows < (int64_t{1} << 31) &&
         (width == 0 || rows <= ((int64_t{1} << 31) - 1) / (width / size));
}

void gated_activation(const GatedActivation& work, Stream stream) {
  if (work.rows == 0 || work.width == 0) return;
  with_type(work.type, [&](auto zero) {
    using T = decltype(zero);
    launch(gate_packs<T>, blocks_for<T>(work.rows, work.width), kThreads, 0, stream, work);
  });
}

void gated_activation_backward(const GatedActivationBackward& work, Stream stream) {
  if (work.rows == 0 || work.width == 0) return;
  with_type(work.type, [&](auto zero) {
    using T = decltype(zero);
    launch(gate_packs_backward<T>, blocks_for<T>(work.rows, work.width), kThreads, 0, stream, work);
  });
}

}  // namespace bt::kernels
