#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include "bt/ops/ops.h"

namespace bt {
namespace {

std::optional<c10::OperatorHandle> find(const char* name) {
  return c10::Dispatcher::singleton().findSchema({name, ""});
}

TEST(Schemas, EveryOperatorIsRegisteredAndDefinedOnCpuAndCuda) {
  ASSERT_TRUE(ops::select_top(at::zeros({1, 1}), 1).defined());  // the library is loaded
  for (const char* name :
       {"bt::segment_attention", "bt::segment_attention_backward", "bt::paged_attention_backward", "bt::attention_mass",
        "bt::select_top", "bt::gather_rows", "bt::edit_rows_", "bt::put_rows", "bt::visible", "bt::rms_norm",
        "bt::add_rms_norm", "bt::rms_norm_backward", "bt::rotate", "bt::rotate_both", "bt::rotate_into_",
        "bt::gated_activation", "bt::gated_activation_backward", "bt::cross_entropy_", "bt::attention_has_kernel"}) {
    const auto op = find(name);
    ASSERT_TRUE(op.has_value()) << name;
    EXPECT_TRUE(op->hasComputedKernelForDispatchKey(c10::DispatchKey::CPU)) << name;
    EXPECT_TRUE(op->hasComputedKernelForDispatchKey(c10::DispatchKey::CUDA)) << name;
  }
}

TEST(Schemas, ThoseThatMutateSaySo) {
  for (const char* name : {"bt::edit_rows_", "bt::rotate_into_", "bt::cross_entropy_", "bt::penalise_"})
    EXPECT_TRUE(find(name)->schema().is_mutable()) << name;
  for (const char* name : {"bt::segment_attention", "bt::segment_attention_backward", "bt::paged_attention_backward",
                           "bt::attention_mass", "bt::select_top", "bt::gather_rows", "bt::put_rows", "bt::visible",
                           "bt::sample", "bt::rms_norm", "bt::add_rms_norm", "bt::rms_norm_backward", "bt::rotate",
                           "bt::rotate_both", "bt::gated_activation", "bt::gated_activation_backward"}) {
    EXPECT_FALSE(find(name)->schema().is_mutable()) << name;
  }
}

}  // namespace
}  // namespace bt
