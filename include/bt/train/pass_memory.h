// Memory of one forward and backward pass, counted from shapes: what lives at the moment when most does. Measured in
// tests/train/pass_memory_test.cpp.
#pragma once

#include <cstdint>

#include "bt/model/decoder.h"
#include "bt/options/method_options.h"
#include "bt/runtime/device_plan.h"

namespace bt {

// Bytes beside weights, gradients and optimiser.
struct PassMemory {
  int64_t activations = 0;  // what autograd keeps of all layers, and what the backward pass of one layer adds
  int64_t cache = 0;        // keys and values: row pools of all layers; their versions and gradients of one layer
  int64_t logits = 0;       // a chunk of logits; gradients of the head and of what it reads
  int64_t scores = 0;       // where attention holds scores or a mask of their size: kept ones of all layers
  int64_t total() const { return activations + cache + logits + scores; }
};

inline PassMemory operator+(const PassMemory& a, const PassMemory& b) {
  return {a.activations + b.activations, a.cache + b.cache, a.logits + b.logits, a.scores + b.scores};
}
inline PassMemory operator*(int64_t count, const PassMemory& a) {
  return {count * a.activations, count * a.cache, count * a.logits, count * a.scores};
}
inline const PassMemory& larger(const PassMemory& a, const PassMemory& b) { return a.total() < b.total() ? b : a; }

// How a pass is run, as far as its memory depends on it.
struct PassShape {
  int64_t element_bytes = 4;
  bool on_cpu = true;
  bool has_attention_kernel = false;     // of a GPU: no scores are held
  bool records = true;                   // there is a backward pass
  bool trains_backbone = true;           // the decoder's weights have gradients
  bool has_adapters = false;             // or adapters beside them have
  bool truncates = true;                 // layer_major with bptt_steps 1
  bool keeps_activations = true;         // ForwardOptions::keep_activations
  const BtOptions* processor = nullptr;  // of a method with a Cache Processor
  int64_t method_parameters = 0;
};

// The peak of a pass over the plan, which may lie on any device; `decoder` in sizes alone, of any device. Of
// append_rows the rows added to the cache are not counted, of adapters their own activations.
PassMemory pass_memory(const Decoder& decoder, const DevicePlan& plan, const PassShape& shape);

}  // namespace bt
