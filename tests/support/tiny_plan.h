// Random batches over a small vocabulary, without LibTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "bt/core/random.h"
#include "bt/data/plan.h"

namespace bt::testing {

inline constexpr int64_t kVocabulary = 23;
inline constexpr int32_t kNewline = 7, kNewlineWithText = 8, kEos = 2;  // 8: visible characters before its newline

inline BoundaryTable tiny_table() {
  const std::vector<int32_t> newlines{kNewline};
  return BoundaryTable::from_ids(kVocabulary, newlines);
}

struct BatchShape {
  int64_t sequences = 5, longest_prompt = 9, longest_response = 24;
  double newline_rate = 0.25;
  bool newline_in_prompt = true;
};

// Random examples: ragged prompts and responses, runs of newlines, responses without any, everything after the prompt
// supervised.
inline std::vector<Example> random_batch(uint64_t seed, const BatchShape& shape = {}) {
  std::vector<Example> batch;
  for (int64_t i = 0; i < shape.sequences; ++i) {
    CounterRng rng(seed, stream_id("random_batch"), static_cast<uint64_t>(i));
    Example example;
    example.source = 100 + i;
    example.prompt_length = 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(shape.longest_prompt)));
    const int64_t response = 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(shape.longest_response)));
    const double rate = i % 4 == 3 ? 0.0 : shape.newline_rate;  // every fourth sequence is one long step
    for (int64_t t = 0; t < example.prompt_length + response; ++t) {
      const bool newline = rng.uniform() < rate && (shape.newline_in_prompt || t >= example.prompt_length);
      int32_t id = static_cast<int32_t>(9 + rng.below(kVocabulary - 9));
      if (newline) id = kNewline;
      example.ids.push_back(id);
      example.supervised.push_back(t >= example.prompt_length ? 1 : 0);
    }
    batch.push_back(std::move(example));
  }
  return batch;
}

}  // namespace bt::testing
