// What decoding holds in memory as long as it runs, by purpose. What a step makes on its way is not counted.
#pragma once

#include <cstdint>

#include "bt/runtime/decoding.h"

namespace bt {

// Bytes.
struct DecodingMemory {
  int64_t cache = 0;    // keys, values, positions and lengths of all slots
  int64_t method = 0;   // the method's parameters and what is saved beside them
  int64_t queries = 0;  // the newest queries of every slot with their log-sum-exps, where a method lets them vote
  int64_t step = 0;     // logits, and what steps of fixed shape keep (runtime/fixed_step.h)
  int64_t added() const { return method + queries; }
};

// Of Decoding with these arguments; from sizes alone, so that decoder and method may be on the meta device. Steps
// are of fixed shape where shape.fixed_steps says so; on a GPU whatever it says, but for methods that steer or go on
// from hidden states.
DecodingMemory decoding_memory(const Decoder& decoder, const Method* method, const DecodingShape& shape);

}  // namespace bt
