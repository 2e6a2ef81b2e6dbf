// How many operators of LibTorch a boundary calls: on a GPU the host starts each by itself, at microseconds.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <memory>
#include <string_view>

#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

struct Context : at::ObserverContext {};

int64_t calls_made = 0, within_ours = 0;

bool is_ours(const at::RecordFunction& call) { return std::string_view(call.name()).starts_with("bt::"); }

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call) {
  if (within_ours == 0) ++calls_made;
  if (is_ours(call)) ++within_ours;
  return std::make_unique<Context>();
}
void end(const at::RecordFunction& call, at::ObserverContext* /*context*/) {
  if (is_ours(call)) --within_ours;
}

// Of this thread: ours as one each, as their kernels are; of LibTorch's also views and those that others call.
template <class Work>
int64_t calls_of(const Work& work) {
  calls_made = 0;
  const at::CallbackHandle handle = at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end));
  work();
  at::removeCallback(handle);
  return calls_made;
}

struct Calls {
  int64_t forward = 0, backward = 0;
};

// Of a training pass over three texts of as many steps, whose edits run again in the backward pass.
Calls calls_of_a_pass(int64_t layers, int64_t steps) {
  const ModelConfig config = testing::tiny_config(layers);
  const Backbone backbone = testing::tiny_backbone(config, false);
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config));
  std::vector<Example> batch;
  for (int64_t source = 0; source < 3; ++source) {
    Example text{.prompt_length = 9, .source = source};
    for (int64_t t = 0; t < 9 + 6 * steps; ++t) {
      text.ids.push_back(t >= 9 && t % 6 == 2 ? testing::kNewline : static_cast<int32_t>(10 + t % 7));
      text.supervised.push_back(t >= 9 ? 1 : 0);
    }
    batch.push_back(std::move(text));
  }
  const DevicePlan plan = to_device(plan_for(method.get(), batch, testing::tiny_table(), {}, {}), at::kCPU);
  Calls calls;
  Forward forward;
  calls.forward =
      calls_of([&] { forward = teacher_forced(backbone.decoder, method.get(), plan, {.keep_activations = false}); });
  calls.backward = calls_of([&] { forward.loss.backward(); });
  return calls;
}

// Hardly above what it takes: 461 and 7.
TEST(OperatorCalls, OfABoundaryInOneLayer) {
  const Calls less = calls_of_a_pass(2, 5), more = calls_of_a_pass(2, 7);
  EXPECT_LE((more.forward - less.forward) / 4, 470);
  EXPECT_LE((more.backward - less.backward) / 4, 8);
}

}  // namespace
}  // namespace bt
