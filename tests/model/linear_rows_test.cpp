#include "../../src/model/linear_rows.h"

#include <gtest/gtest.h>

#include "model/model_test_support.h"

namespace bt {
namespace {

struct Case {
  int64_t rows, in, out;
  bool bias;
};

// fp32 and bfloat16 against at::linear in fp64: the error is at most twice that of plain ATen in the same dtype, or one
// rounding.
void expect_near_aten(const Case& c, at::ScalarType type, double rounding) {
  at::manual_seed(3);
  const at::Tensor wide_x = at::randn({c.rows, c.in}).to(type).to(at::kDouble);
  const at::Tensor wide_w = at::randn({c.out, c.in}).to(type).to(at::kDouble);
  const at::Tensor wide_b = c.bias ? at::randn({c.out}).to(type).to(at::kDouble) : at::Tensor();
  const at::Tensor exact = at::linear(wide_x, wide_w, wide_b);
  const at::Tensor x = wide_x.to(type), w = wide_w.to(type), b = c.bias ? wide_b.to(type) : at::Tensor();
  const at::NoGradGuard no_grad;
  const double aten = test::greatest_difference(at::linear(x, w, b), exact);
  const double ours = test::greatest_difference(linear_rows(x, w, b), exact);
  EXPECT_LE(ours, 2 * aten + rounding * exact.abs().max().item<double>())
      << c.rows << " x " << c.in << " x " << c.out << ", " << at::toString(type);
}

TEST(LinearRows, IsAsExactAsAten) {
  for (const Case& c : {Case{1, 37, 5, false}, Case{1, 1, 1, true}, Case{3, 576, 193, true}, Case{8, 64, 4, false},
                        Case{2, 1023, 3, true}, Case{19, 37, 11, true}}) {
    expect_near_aten(c, at::kFloat, 1e-7);
    expect_near_aten(c, at::kBFloat16, 1.0 / 256);
  }
}

TEST(LinearRows, ARowDoesNotDependOnTheOthers) {
  const at::NoGradGuard no_grad;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::randn({7, 576}).to(type), w = at::randn({203, 576}).to(type);
    const at::Tensor all = linear_rows(x, w, {});
    for (int64_t r = 0; r < 7; ++r) {
      EXPECT_TRUE(at::equal(linear_rows(x.narrow(0, r, 1), w, {}), all.narrow(0, r, 1))) << "row " << r;
    }
  }
}

TEST(LinearRows, TakesStridedRowsAndNone) {
  const at::NoGradGuard no_grad;
  const at::Tensor wide = at::randn({3, 20}), x = wide.narrow(1, 4, 9), w = at::randn({6, 9});
  EXPECT_TRUE(at::allclose(linear_rows(x, w, {}), at::linear(x, w)));
  EXPECT_EQ(linear_rows(x.narrow(0, 0, 0), w, {}).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST(LinearRows, KeepsGradients) {
  const at::Tensor x = at::randn({2, 9}), w = at::randn({6, 9}).requires_grad_(true);
  EXPECT_TRUE(linear_rows(x, w, {}).requires_grad());
}

}  // namespace
}  // namespace bt
