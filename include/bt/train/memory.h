// Memory of a training run: measured, and estimated by class before it starts.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bt/train/pass_memory.h"

namespace bt {

// Greatest memory in use so far: of the process on the CPU, of LibTorch's allocator on a GPU.
int64_t peak_memory_bytes(at::Device device);

using MemoryClasses = std::vector<std::pair<std::string, int64_t>>;  // bytes by name

struct MemoryShape {
  int64_t backbone_parameters = 0, method_parameters = 0;
  int64_t trained_parameters = 0;
  int64_t element_bytes = 4;
  PassMemory pass;  // of the largest batch
};

// "weights" (masters among them), "gradients", "optimiser" and the classes of PassMemory.
MemoryClasses estimate_memory(const MemoryShape& shape);
int64_t total_bytes(const MemoryClasses& classes);
// "1.5 GiB (weights 1.0 GiB, ...)"; classes of no bytes are left out.
std::string memory_text(const MemoryClasses& classes);

// "1.5 GiB"
std::string bytes_text(int64_t bytes);

}  // namespace bt
