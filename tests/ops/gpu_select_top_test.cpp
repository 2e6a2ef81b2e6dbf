#include "bt/ops/reference.h"
#include "ops/gpu_test_support.h"
#include "ops/ops_test_support.h"

namespace bt {
namespace {

class GpuSelectTop : public testing::GpuTest {};

// Few distinct values in every other event, so that ties abound; about a third of the rows hidden.
at::Tensor random_mass(int64_t events, int64_t rows) {
  const at::Tensor value_ET = testing::random_normal({events, rows}, "mass", at::kFloat).abs(),
                   hidden_ET = testing::random_normal({events, rows}, "hidden", at::kFloat) < -0.5;
  const at::Tensor has_ties_E1 = (at::arange(events) % 2 == 1).unsqueeze(1);
  return at::where(has_ties_E1, (value_ET * 4).floor(), value_ET).masked_fill(hidden_ET, -1).cuda();
}

TEST_F(GpuSelectTop, HasAKernel) { EXPECT_TRUE(testing::has_kernel("bt::select_top")); }

TEST_F(GpuSelectTop, ChoosesAsTheReferenceDoes) {
  for (const int64_t events : {0, 1, 19}) {
    for (const int64_t rows : {0, 1, 37, 128, 321, 1025, 4097, 33000}) {
      const at::Tensor mass_ET = random_mass(events, rows);
      for (const int64_t k : {0, 1, 32, 256})
        EXPECT_TRUE(ops::select_top(mass_ET, k).equal(ops::reference::select_top(mass_ET, k)))
            << events << " x " << rows << ", k " << k;
    }
  }
}

TEST_F(GpuSelectTop, TakesViewsAndOtherTypes) {
  const at::Tensor wide_ET = random_mass(7, 90);
  for (const at::Tensor& mass_ET :
       {wide_ET.narrow(1, 3, 60), wide_ET.t(), wide_ET.slice(1, 0, 90, 2), wide_ET.to(at::kDouble)})
    EXPECT_TRUE(ops::select_top(mass_ET, 20).equal(ops::reference::select_top(mass_ET.contiguous(), 20)));
}

}  // namespace
}  // namespace bt
