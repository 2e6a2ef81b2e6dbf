// A plan on its way to a device.
#include "bt/runtime/device_plan.h"

#include <gtest/gtest.h>

#include "support/tiny_plan.h"

namespace bt {
namespace {

TEST(DevicePlan, TablesAreOneBufferSoThatOneCopyMovesThem) {
  const Plan plan = make_plan(testing::random_batch(3), testing::tiny_table(), {}, {testing::kEos});
  const DevicePlan moved = to_device(plan, at::kCPU);
  ASSERT_GT(moved.depths.size(), 2u);
  for (const at::Tensor& table : {moved.position_N, moved.target_M, moved.supervised_M, moved.supervised_depth_M,
                                  moved.plan_index_N, moved.position_BT, moved.packed_BT, moved.source_B})
    EXPECT_TRUE(table.is_alias_of(moved.id_N));
  for (const DepthPlan& depth : moved.depths) {
    for (const at::Tensor& table : {depth.token_BS, depth.slot_n, depth.sequence_n, depth.row_n, depth.query_length_B,
                                    depth.rows_B, depth.own_row_BS, depth.step_begin_E, depth.ordinal_E})
      EXPECT_TRUE(table.is_alias_of(moved.id_N));
  }
  EXPECT_EQ(moved.id_N.sizes(), at::IntArrayRef({plan.tokens()}));
  EXPECT_EQ(moved.packed_BT.sizes(), at::IntArrayRef({moved.sequences, moved.rows}));
}

}  // namespace
}  // namespace bt
