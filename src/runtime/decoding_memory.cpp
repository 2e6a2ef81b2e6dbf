#include "bt/runtime/decoding_memory.h"

#include <algorithm>

#include "boundary_event.h"
#include "bt/latent/saved_method.h"
#include "cache_events.h"

namespace bt {
namespace {

constexpr int64_t kInteger = sizeof(int64_t);

// Of a slot: three tables (idle, on the host, on the device) of four numbers in a token's step, and its own number;
// three tables in an event's step.
constexpr int64_t kStepIntegers = 3 * 4 + 1, kEventIntegers = 3 * kEventNumbers;

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
    const int64_t voters = voters_of(method->effects());
    const int64_t kept = voters > 0 ? config.layers * shape.slots * (voters + 1) : 0;
    out.queries = kept * config.heads * (config.head_dim * element + wide);
  }
  out.step = shape.slots * decoder.head.size(0) * element;
  if (shape.fixed_steps) {
    const int64_t integers = kStepIntegers + (out.queries > 0 ? kEventIntegers : 0);
    out.step += (shape.slots + shape.capacity) * config.head_dim * element + shape.slots * integers * kInteger;
  }
  return out;
}

}  // namespace bt
