// CUDA graphs as device graphs. Recorded on a stream apart from the caller's, as capture demands.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <mutex>

#include "bt/ops/device_graph.h"

namespace bt::ops {
namespace {

// One a device, since libraries keep a workspace for every stream that they meet. Of high priority, whose streams
// nothing else uses, so that other threads' work is never recorded with it.
c10::cuda::CUDAStream recording_stream(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device)).first->second;
}

class CudaGraph final : public DeviceGraph {
 public:
  CudaGraph(c10::Device device, DeviceGraph* beside) : device_(device), beside_(static_cast<CudaGraph*>(beside)) {}

  void record(const std::function<void()>& work) override {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    const c10::cuda::CUDAGuard on(device_);
    const c10::cuda::CUDAStream own = recording_stream(device_.index());
    c10::cuda::getCurrentCUDAStream(device_.index()).synchronize();
    {
      const c10::cuda::CUDAStreamGuard guard(own);
      for (int warm_up = 0; warm_up < 2; ++warm_up) work();  // libraries allocate their workspaces now
      own.synchronize();
      c10::cuda::CUDACachingAllocator::emptyCache();  // which nothing can while a capture is open
      const auto pool = beside_ != nullptr ? beside_->graph_.pool() : at::cuda::MempoolId_t{0, 0};
      graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);  // other threads may go on
      capture(work);
    }
    own.synchronize();
  }

  void replay() override { graph_.replay(); }

 private:
  // A capture that failed must be ended all the same: as long as it is open, this thread may not wait for the device.
  void capture(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // says again that the capture is invalid
      }
      throw;
    }
    graph_.capture_end();
  }

  const c10::Device device_;
  CudaGraph* const beside_;
  at::cuda::CUDAGraph graph_;
};

const bool is_registered = [] {
  register_device_graphs(c10::DeviceType::CUDA,
                         [](c10::Device device, DeviceGraph* beside) -> std::unique_ptr<DeviceGraph> {
                           return std::make_unique<CudaGraph>(device, beside);
                         });
  return true;
}();

}  // namespace
}  // namespace bt::ops
