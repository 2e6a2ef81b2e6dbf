// Work of a device recorded once and started again as one: a CUDA graph.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace bt::ops {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  // Runs `work` a few times to warm up, then records it. What it reads and writes must stay where it is, shapes must
  // not depend on the device's data, and nothing in it may wait for the device. Running it more than once must do no
  // harm.
  virtual void record(const std::function<void()>& work) = 0;
  virtual void replay() = 0;
};

// Null where the device knows no graphs (a CPU, or a GPU without libbt_ops_cuda.so). `beside`: a graph recorded before,
// of the same device, whose working memory the new one may share; the two never run at the same time, and what one of
// them leaves for later lies in tensors that were there before it was recorded. It must still live when the new one is
// recorded.
std::unique_ptr<DeviceGraph> make_device_graph(c10::Device device, DeviceGraph* beside = nullptr);

// Called by the library of a device's kernels when it is opened.
using MakeDeviceGraph = std::unique_ptr<DeviceGraph> (*)(c10::Device device, DeviceGraph* beside);
void register_device_graphs(c10::DeviceType type, MakeDeviceGraph make);

}  // namespace bt::ops
