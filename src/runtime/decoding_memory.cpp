#include "bt/runtime/decoding_memory.h"

#include <algorithm>

#include "boundary_event.h"
#include "bt/latent/saved_method.h"

namespace bt {
namespace {

constexpr int64_t kInteger = sizeof(int64_t);

// Ids, positions, counts and places in the ring, on the host and on the device; the slots' numbers.
constexpr int64_t kIntegersPerSlot = 9;

}  // namespace

DecodingMemory decoding_memory(const Decoder& decoder, const Method* method, const DecodingShape& shape) {
  const ModelConfig& config = decoder.config;
  const auto element = static_cast<int64_t>(decoder.embedding.element_size());
  const int64_t wide = std::max<int64_t>(element, 4);
  const int64_t rows = config.layers * shape.slots * shape.capacity;
  DecodingMemory out;
  out.cache =
      rows * (2 * config.kv_heads * config.head_dim * element + kInteger) + config.layers * shape.slots * kInteger;
  if (method != nullptr) {
    for (const auto& [name, tensor] : saved_tensors(*method)) out.method += static_cast<int64_t>(tensor.nbytes());
    const int64_t kept = config.layers * shape.slots * voters_of(method->effects());
    out.queries = kept * config.heads * (config.head_dim * element + wide);
  }
  if (shape.fixed_steps)
    out.step = shape.slots * (decoder.head.size(0) * element + kIntegersPerSlot * kInteger) +
               shape.capacity * config.head_dim * element;
  return out;
}

}  // namespace bt
