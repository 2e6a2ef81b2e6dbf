// CUDA graphs as device graphs. Recorded on a stream of their own, as capture demands.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "bt/ops/device_graph.h"

namespace bt::ops {
namespace {

class CudaGraph final : public DeviceGraph {
 public:
  void record(const std::function<void()>& work) override {
    const c10::cuda::CUDAStream own = c10::cuda::getStreamFromPool();
    const c10::cuda::CUDAStream caller = c10::cuda::getCurrentCUDAStream();
    caller.synchronize();
    {
      const c10::cuda::CUDAStreamGuard guard(own);
      for (int warm_up = 0; warm_up < 2; ++warm_up) work();  // libraries allocate their workspaces now
      own.synchronize();
      graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);  // other threads may go on
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

  at::cuda::CUDAGraph graph_;
};

const bool is_registered = [] {
  register_device_graphs(c10::DeviceType::CUDA,
                         [] { return std::unique_ptr<DeviceGraph>(std::make_unique<CudaGraph>()); });
  return true;
}();

}  // namespace
}  // namespace bt::ops
