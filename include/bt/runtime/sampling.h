// The next token from logits: greedy, or drawn with temperature, top-k and top-p.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace bt {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy; the lowest id among equal logits
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // smallest set of tokens holding this share
  uint64_t seed = 0;
};

// Keys of one row's draw: the same request at the same place draws the same token in any batch.
struct DrawKey {
  uint64_t request = 0;
  uint64_t place = 0;
};

// One id per row of logits_AV. keys has one entry per row.
std::vector<int32_t> sample(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys);

}  // namespace bt
