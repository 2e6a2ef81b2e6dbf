#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../../src/runtime/boundary_event.h"

namespace bt {
namespace {

TEST(RewriteFigures, AreTakenOverAllThatWasAdded) {
  RewriteFigures figures;
  EXPECT_FALSE(figures.size().defined());
  EXPECT_FALSE(figures.call_rate().defined());
  figures.add(at::tensor({0.0, 5.0}), at::tensor({3.0, 4.0}), at::tensor({1.0}));
  figures.add(at::zeros({1}), at::tensor({12.0}), at::tensor({0.25, 0.0, 0.75}));
  figures.settle();
  EXPECT_DOUBLE_EQ(figures.size().item<double>(), 5.0 / 13);
  EXPECT_DOUBLE_EQ(figures.call_rate().item<double>(), 0.5);
}

TEST(RewriteFigures, NothingChosenIsNoChange) {
  RewriteFigures figures;
  figures.add(at::zeros({2, 0}), at::zeros({2, 0}), {});
  figures.settle();
  EXPECT_EQ(figures.size().item<double>(), 0);
  EXPECT_FALSE(figures.call_rate().defined());
}

}  // namespace
}  // namespace bt
