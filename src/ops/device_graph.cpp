#include "bt/ops/device_graph.h"

#include <map>

namespace bt::ops {
namespace {

std::map<c10::DeviceType, MakeDeviceGraph>& makers() {
  static std::map<c10::DeviceType, MakeDeviceGraph> all;
  return all;
}

}  // namespace

std::unique_ptr<DeviceGraph> make_device_graph(c10::Device device, DeviceGraph* beside) {
  const auto found = makers().find(device.type());
  return found == makers().end() ? nullptr : found->second(device, beside);
}

void register_device_graphs(c10::DeviceType type, MakeDeviceGraph make) { makers()[type] = make; }

}  // namespace bt::ops
