#include "kernels/rms_norm.h"

#include "kernels/elementwise_test_support.h"

namespace bt {
namespace {

using testing::Buffer;
using testing::element_of;
using testing::Errors;
using testing::rounded;

constexpr float kEps = 1e-5f;

struct Case {
  int rows, width;
  float offset = 0;
  bool rounds_last = false, residual = false;
};

// Narrow rows of 1 to 32 lanes, with lanes to spare and teams past the last row; wide ones of one warp and of several.
const Case kCases[] = {{1, 8},
                       {37, 64},
                       {19, 128, 1, true},
                       {37, 192, 1, false, true},
                       {5, 256, 0, true, true},
                       {19, 520},
                       {3, 1032, 1, true, true},
                       {1, 2056},
                       {2, 1544, 0, false, true},
                       {0, 64}};

template <class T>
struct Inputs {
  explicit Inputs(const Case& c)
      : x(testing::random_buffer<T>(int64_t{c.rows} * c.width, 1)),
        residual(testing::random_buffer<T>(int64_t{c.rows} * c.width, 2)),
        weight(testing::random_buffer<T>(c.width, 3)),
        dy(testing::random_buffer<T>(int64_t{c.rows} * c.width, 4)) {}
  Buffer<T> x, residual, weight, dy;
};

struct Normed {
  std::vector<float> sum, y, scale;
  bool operator==(const Normed&) const = default;
};

template <class T>
Normed normed(const Case& c, const Inputs<T>& in) {
  return testing::in_every_order([&] {
    const auto size = static_cast<size_t>(c.rows) * static_cast<size_t>(c.width);
    Buffer<T> sum(size), y(size);
    std::vector<float> scale(static_cast<size_t>(c.rows), -77);
    kernels::rms_norm(
        {in.x.data(), c.residual ? in.residual.data() : nullptr, in.weight.data(), c.residual ? sum.data() : nullptr,
         y.data(), scale.data(), c.rows, c.width, kEps, c.offset, c.rounds_last, element_of<T>},
        {});
    return Normed{sum.values(), y.values(), scale};
  });
}

// What is normalised.
template <class T>
float value(const Case& c, const Inputs<T>& in, int64_t i) {
  return c.residual ? rounded<T>(in.x[i] + in.residual[i]) : in.x[i];
}

template <class T>
std::vector<double> exact_scales(const Case& c, const Inputs<T>& in) {
  std::vector<double> scales;
  for (int64_t row = 0; row < c.rows; ++row) {
    double squares = 0;
    for (int64_t i = row * c.width; i < (row + 1) * c.width; ++i) squares += std::pow(value(c, in, i), 2);
    scales.push_back(1 / std::sqrt(squares / c.width + kEps));
  }
  return scales;
}

// As the forward pass multiplies by it.
template <class T>
float factor(const Case& c, const Inputs<T>& in, int64_t column) {
  const float factor = in.weight[column] + c.offset;
  return c.rounds_last ? factor : rounded<T>(factor);
}

template <class T>
class RmsNormKernel : public ::testing::Test {};
TYPED_TEST_SUITE(RmsNormKernel, testing::ElementTypes);

TYPED_TEST(RmsNormKernel, RoundsWhereTheModelDoes) {
  using T = typename TypeParam::Type;
  for (const Case& c : kCases) {
    const Inputs<T> in(c);
    const Normed out = normed(c, in);
    for (int64_t i = 0; i < int64_t{c.rows} * c.width; ++i) {
      const auto at = static_cast<size_t>(i), row = static_cast<size_t>(i / c.width);
      const float x = value(c, in, i), unit = x * out.scale[row], by = factor(c, in, i % c.width);
      ASSERT_EQ(out.y[at], rounded<T>((c.rounds_last ? unit : rounded<T>(unit)) * by)) << c.width << " at " << i;
      ASSERT_EQ(out.sum[at], c.residual ? x : -77) << c.width << " at " << i;
    }
    const std::vector<double> exact = exact_scales(c, in);
    for (size_t r = 0; r < exact.size(); ++r) ASSERT_NEAR(out.scale[r], exact[r], 1e-6 * exact[r]) << c.width;
  }
}

struct Gradients {
  std::vector<float> dx, dweight;
  bool operator==(const Gradients&) const = default;
};

// With c.residual the sum has a gradient, too.
template <class T>
Gradients gradients(const Case& c, const Inputs<T>& in, const Buffer<T>& x, const std::vector<float>& scale,
                    bool wants_dweight) {
  return testing::in_every_order([&] {
    Buffer<T> dx(static_cast<size_t>(c.rows) * static_cast<size_t>(c.width)), dweight(static_cast<size_t>(c.width));
    const int parts = kernels::rms_norm_parts(c.rows, c.width, element_of<T>);
    Buffer<float> sums(static_cast<size_t>(parts) * static_cast<size_t>(c.width), NAN);
    kernels::rms_norm_backward(
        {x.data(), in.weight.data(), in.dy.data(), c.residual ? in.residual.data() : nullptr, scale.data(), dx.data(),
         wants_dweight ? dweight.data() : nullptr, wants_dweight ? sums.data() : nullptr, c.rows, c.width, c.offset,
         c.rounds_last, element_of<T>},
        {});
    return Gradients{dx.values(), dweight.values()};
  });
}

// dx of a row: exactly, and in fp32 with the norm's result rounded before the sum's gradient is added.
template <class T>
void add_errors_of_row(const Case& c, const Inputs<T>& in, const Buffer<T>& x, float scale, double exact, int64_t row,
                       const std::vector<float>& dx, Errors& errors) {
  double exact_sum = 0;
  float plain_sum = 0;
  const int64_t begin = row * c.width;
  for (int64_t i = 0; i < c.width; ++i) {
    const double product = double{in.dy[begin + i]} * x[begin + i] * factor(c, in, i);
    exact_sum += product;
    plain_sum += static_cast<float>(product);
  }
  const float pull = plain_sum * scale * scale * scale / static_cast<float>(c.width);
  const double exact_pull = exact_sum * std::pow(exact, 3) / c.width;
  for (int64_t i = 0; i < c.width; ++i) {
    const int64_t at = begin + i;
    const double by = factor(c, in, i), other = c.residual ? in.residual[at] : 0;
    const float own = rounded<T>(in.dy[at] * factor(c, in, i) * scale - x[at] * pull);
    errors.add(dx[static_cast<size_t>(at)], rounded<T>(own + other),
               in.dy[at] * by * exact - x[at] * exact_pull + other);
  }
}

TYPED_TEST(RmsNormKernel, HasGradients) {
  using T = typename TypeParam::Type;
  for (const Case& c : kCases) {
    const Inputs<T> in(c);
    const Normed out = normed(c, in);
    const Buffer<T> x(c.residual ? out.sum : in.x.values());
    const Gradients found = gradients(c, in, x, out.scale, true);
    EXPECT_EQ(gradients(c, in, x, out.scale, false).dx, found.dx);
    Errors of_x, of_weight;
    const std::vector<double> scales = exact_scales(c, in);
    std::vector<double> exact(static_cast<size_t>(c.width));
    std::vector<float> plain(static_cast<size_t>(c.width));
    for (int64_t r = 0; r < c.rows; ++r) {
      const float scale = out.scale[static_cast<size_t>(r)];
      add_errors_of_row(c, in, x, scale, scales[static_cast<size_t>(r)], r, found.dx, of_x);
      for (int64_t i = 0; i < c.width; ++i) {
        const int64_t at = r * c.width + i;
        exact[static_cast<size_t>(i)] += in.dy[at] * x[at] * scales[static_cast<size_t>(r)];
        plain[static_cast<size_t>(i)] += in.dy[at] * x[at] * scale;
      }
    }
    for (size_t i = 0; i < exact.size(); ++i) of_weight.add(found.dweight[i], rounded<T>(plain[i]), exact[i]);
    of_x.expect_bounded("dx");
    of_weight.expect_bounded("dweight");
  }
}

// More rows than the blocks that sum them take at once.
TEST(RmsNormWeightGradient, SumsManyRows) {
  for (const Case& c : {Case{1999, 8}, Case{67, 520}}) {
    const Inputs<float> in(c);
    const std::vector<float> scale(static_cast<size_t>(c.rows), 0.5f);
    Buffer<float> dx(static_cast<size_t>(c.rows * c.width)), dweight(static_cast<size_t>(c.width));
    Buffer<float> parts(static_cast<size_t>(kernels::rms_norm_parts(c.rows, c.width, kernels::Element::fp32) * c.width),
                        NAN);
    kernels::rms_norm_backward({in.x.data(), in.weight.data(), in.dy.data(), nullptr, scale.data(), dx.data(),
                                dweight.data(), parts.data(), c.rows, c.width, 0, false, kernels::Element::fp32},
                               {});
    for (int64_t i = 0; i < c.width; ++i) {
      double sum = 0;
      for (int64_t r = 0; r < c.rows; ++r) sum += 0.5 * in.dy[r * c.width + i] * in.x[r * c.width + i];
      ASSERT_NEAR(dweight[i], sum, 1e-4) << c.width;
    }
  }
}

TEST(RmsNormTakes, WholePacksUpToTheRegistersOfABlock) {
  using kernels::Element;
  EXPECT_TRUE(kernels::rms_norm_takes(8, Element::bf16));
  EXPECT_TRUE(kernels::rms_norm_takes(8192, Element::fp16));
  EXPECT_TRUE(kernels::rms_norm_takes(4096, Element::fp32));
  EXPECT_FALSE(kernels::rms_norm_takes(0, Element::fp32));
  EXPECT_FALSE(kernels::rms_norm_takes(12, Element::bf16));
  EXPECT_FALSE(kernels::rms_norm_takes(8200, Element::bf16));
  EXPECT_FALSE(kernels::rms_norm_takes(4100, Element::fp32));
}

}  // namespace
}  // namespace bt
