#include "bt/train/memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>

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

std::vector<std::pair<std::string, int64_t>> estimate_memory(const ModelConfig& model, const MemoryShape& shape) {
  const int64_t attention_width = (model.heads + 2 * model.kv_heads) * model.head_dim;
  // Per token and layer: two norms' inputs and outputs, q, k, v, attention output, and gate, up and their product.
  const int64_t kept =
      4 * model.hidden_size + attention_width + model.heads * model.head_dim + 4 * model.intermediate_size;
  const int64_t cache_row = 2 * model.kv_heads * model.head_dim * model.layers;
  const int64_t bytes = shape.element_bytes, master = std::max<int64_t>(bytes, sizeof(float));
  const int64_t masters = master > bytes ? shape.trained_parameters * master : 0;
  return {{"weights", (shape.backbone_parameters + shape.method_parameters) * bytes + masters},
          {"gradients", shape.trained_parameters * master},
          {"optimiser", 2 * shape.trained_parameters * master},
          {"activations", shape.tokens * model.layers * kept * bytes},
          {"logits", 2 * shape.supervised * model.vocab_size * bytes},
          {"cache", shape.cached_rows * cache_row * bytes}};
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
