#include "kernels/gated_activation.h"

#include <numbers>

#include "kernels/elementwise_test_support.h"

namespace bt {
namespace {

using kernels::GateActivation;
using testing::Buffer;
using testing::element_of;
using testing::Errors;
using testing::rounded;

struct Case {
  int rows, width;
  GateActivation activation;
};

const Case kCases[] = {{1, 8, GateActivation::silu},   {19, 136, GateActivation::silu},
                       {37, 64, GateActivation::gelu}, {2, 1032, GateActivation::gelu_tanh},
                       {0, 64, GateActivation::gelu},  {3, 0, GateActivation::silu}};

// In fp64: value and slope. Number: what is computed in.
template <class Number>
std::pair<Number, Number> activated(GateActivation activation, Number x) {
  const Number one = 1, half = 0.5;
  switch (activation) {
    case GateActivation::silu: {
      const Number sigmoid = one / (one + std::exp(-x));
      return {x * sigmoid, sigmoid * (one + x * (one - sigmoid))};
    }
    case GateActivation::gelu: {
      const Number below = half * (one + std::erf(x * std::sqrt(half)));
      const Number density = std::exp(-half * x * x) / std::sqrt(2 * std::numbers::pi_v<Number>);
      return {x * below, below + x * density};
    }
    case GateActivation::gelu_tanh: {
      const Number root = std::sqrt(2 / std::numbers::pi_v<Number>), cubic = static_cast<Number>(0.044715);
      const Number t = std::tanh(root * (x + cubic * x * x * x));
      return {half * x * (one + t), half * (one + t) + half * x * (one - t * t) * root * (one + 3 * cubic * x * x)};
    }
  }
  return {};
}

// [rows, gate | up], the two halves of one matrix, and a gradient of the product with numbers between its rows.
template <class T>
struct Inputs {
  explicit Inputs(const Case& c)
      : both(testing::random_buffer<T>(int64_t{c.rows} * 2 * c.width, 8, -9, 9)),
        d_out(testing::random_buffer<T>(int64_t{c.rows} * (c.width + 8), 9)) {}
  Buffer<T> both, d_out;
};

template <class T>
class GatedActivationKernel : public ::testing::Test {};
TYPED_TEST_SUITE(GatedActivationKernel, testing::ElementTypes);

TYPED_TEST(GatedActivationKernel, MultipliesTheHalvesOfOneMatrix) {
  using T = typename TypeParam::Type;
  for (const Case& c : kCases) {
    const Inputs<T> in(c);
    const int64_t stride = 2 * int64_t{c.width};
    const std::vector<float> out = testing::in_every_order([&] {
      Buffer<T> to(static_cast<size_t>(c.rows * c.width));
      kernels::gated_activation({in.both.data(), in.both.data() + c.width, to.data(), stride, stride, c.width, c.rows,
                                 c.width, c.activation, element_of<T>},
                                {});
      return to.values();
    });
    Errors errors;
    for (int64_t i = 0; i < int64_t{c.rows} * c.width; ++i) {
      const int64_t gate = i / c.width * stride + i % c.width, up = gate + c.width;
      const float plain = rounded<T>(activated<float>(c.activation, in.both[gate]).first);
      errors.add(out[static_cast<size_t>(i)], rounded<T>(plain * in.both[up]),
                 activated<double>(c.activation, in.both[gate]).first * in.both[up]);
    }
    errors.expect_bounded("out");
  }
}

TYPED_TEST(GatedActivationKernel, GivesBothGradientsInOnePass) {
  using T = typename TypeParam::Type;
  for (const Case& c : kCases) {
    const Inputs<T> in(c);
    const int64_t stride = 2 * int64_t{c.width};
    const std::vector<float> d = testing::in_every_order([&] {
      Buffer<T> to(static_cast<size_t>(c.rows * stride));
      kernels::gated_activation_backward(
          {in.d_out.data(), in.both.data(), in.both.data() + c.width, to.data(), to.data() + c.width, c.width + 8,
           stride, stride, stride, stride, c.rows, c.width, c.activation, element_of<T>},
          {});
      return to.values();
    });
    Errors of_gate, of_up;
    for (int64_t i = 0; i < int64_t{c.rows} * c.width; ++i) {
      const int64_t row = i / c.width, gate = row * stride + i % c.width, up = gate + c.width;
      const float d_out = in.d_out[row * (c.width + 8) + i % c.width];
      const auto [value, slope] = activated<double>(c.activation, in.both[gate]);
      const auto [plain_value, plain_slope] = activated<float>(c.activation, in.both[gate]);
      of_gate.add(d[static_cast<size_t>(gate)], rounded<T>(rounded<T>(d_out * in.both[up]) * plain_slope),
                  d_out * slope * in.both[up]);
      of_up.add(d[static_cast<size_t>(up)], rounded<T>(d_out * rounded<T>(plain_value)), d_out * value);
    }
    of_gate.expect_bounded("d_gate");
    of_up.expect_bounded("d_up");
  }
}

TYPED_TEST(GatedActivationKernel, StaysFiniteAtTheEndsOfTheLine) {
  using T = typename TypeParam::Type;
  for (const auto activation : {GateActivation::silu, GateActivation::gelu, GateActivation::gelu_tanh}) {
    const Buffer<T> gate({-60000, -200, -100, 0, 100, 200, 60000, 1}), ones(8, 1);
    Buffer<T> d_gate(8), d_up(8);
    kernels::gated_activation_backward({ones.data(), gate.data(), ones.data(), d_gate.data(), d_up.data(), 8, 8, 8, 8,
                                        8, 1, 8, activation, element_of<T>},
                                       {});
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(d_gate[i], 0);
      EXPECT_EQ(d_up[i], 0);
      EXPECT_EQ(d_gate[i + 4], 1);
      EXPECT_EQ(d_up[i + 4], gate[i + 4]);
    }
  }
}

TEST(GatedActivationTakes, WholePacksThatFit32Bits) {
  using kernels::Element;
  EXPECT_TRUE(kernels::gated_activation_takes(int64_t{1} << 20, 8192, Element::bf16));
  EXPECT_TRUE(kernels::gated_activation_takes(0, 0, Element::fp32));
  EXPECT_FALSE(kernels::gated_activation_takes(1, 12, Element::bf16));
  EXPECT_FALSE(kernels::gated_activation_takes(int64_t{1} << 30, 32, Element::bf16));
}

}  // namespace
}  // namespace bt
