#include "bt/train/memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "bt/core/strings.h"

namespace bt {

int64_t peak_memory_bytes(at::Device device) {
  if (device.is_cpu()) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<int64_t>(usage.ru_maxrss) * 1024;
  }
  const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  constexpr size_t kAllPools = 0;
  return stats.allocated_bytes[kAllPools].peak;
}

MemoryClasses estimate_memory(const MemoryShape& shape) {
  const int64_t bytes = shape.element_bytes, master = std::max<int64_t>(bytes, sizeof(float));
  const int64_t masters = master > bytes ? shape.trained_parameters * master : 0;
  return {{"weights", (shape.backbone_parameters + shape.method_parameters) * bytes + masters},
          {"gradients", shape.trained_parameters * master},
          {"optimiser", 2 * shape.trained_parameters * master},
          {"activations", shape.pass.activations},
          {"cache", shape.pass.cache},
          {"logits", shape.pass.logits},
          {"scores", shape.pass.scores}};
}

int64_t total_bytes(const MemoryClasses& classes) {
  int64_t total = 0;
  for (const auto& [name, bytes] : classes) total += bytes;
  return total;
}

std::string memory_text(const MemoryClasses& classes) {
  std::vector<std::string> parts;
  for (const auto& [name, bytes] : classes) {
    if (bytes != 0) parts.push_back(str(name, " ", bytes_text(bytes)));
  }
  return str(bytes_text(total_bytes(classes)), " (", join(parts, ", "), ")");
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace bt
