#include "bt/runtime/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>
#include <mutex>

namespace bt {
namespace {

// LibTorch hands this to the threads it runs backward passes on.
class Counter final : public c10::MemoryReportingInfoBase {
 public:
  bool memoryProfilingEnabled() const override { return true; }
  void reportMemoryUsage(void* /*where*/, int64_t bytes, size_t /*allocated*/, size_t /*reserved*/,
                         c10::Device /*device*/) override {
    const std::lock_guard lock(mutex_);
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  TensorMemory bytes() const { return {peak_, live_}; }

 private:
  std::mutex mutex_;
  int64_t live_ = 0, peak_ = 0;
};

}  // namespace

TensorMemory tensor_memory(const std::function<void()>& work) {
  const auto counter = std::make_shared<Counter>();
  const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, counter);
  work();
  return counter->bytes();
}

}  // namespace bt
