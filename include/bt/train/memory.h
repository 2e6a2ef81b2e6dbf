// Memory of a training run: measured, and estimated by class before it starts.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bt/format/model_config.h"

namespace bt {

// Greatest memory in use so far: of the process on the CPU, of LibTorch's allocator on a GPU.
int64_t peak_memory_bytes(at::Device device);

struct MemoryShape {
  int64_t backbone_parameters = 0, method_parameters = 0;
  int64_t trained_parameters = 0;
  int64_t tokens = 0;       // of one forward pass
  int64_t supervised = 0;   // of these, predictions in the loss
  int64_t cached_rows = 0;  // sequences * longest sequence
  int64_t element_bytes = 4;
};

// Bytes by class ("weights", masters among them, "gradients", "optimiser", "activations", "logits", "cache").
// Activations are those that autograd keeps of a plain fine-tuning pass: an upper bound for a frozen backbone.
std::vector<std::pair<std::string, int64_t>> estimate_memory(const ModelConfig& model, const MemoryShape& shape);

// "1.5 GiB"
std::string bytes_text(int64_t bytes);

}  // namespace bt
