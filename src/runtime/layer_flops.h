// Sizes of one layer and pairs of queries and rows: what the counts of FLOPs share. Torch-free.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bt/data/plan.h"
#include "bt/format/model_config.h"

namespace bt {

// Weights that multiply every token in one layer.
struct LayerSizes {
  int64_t queries, keys, qkv, all;
};

inline LayerSizes layer_sizes(const ModelConfig& c) {
  const int64_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  const int64_t qkv = c.hidden_size * (queries + 2 * keys);
  return {queries, keys, qkv, qkv + queries * c.hidden_size + 3 * c.hidden_size * c.intermediate_size};
}

// Rows that a query at a position sees, itself included.
inline int64_t visible(int64_t position, int64_t window) {
  return window > 0 ? std::min(position + 1, window) : position + 1;
}

// Pairs of a query of tokens [begin, end) and a row it sees, in a layer with the window.
inline int64_t pairs(const Plan& plan, int64_t begin, int64_t end, int64_t window) {
  int64_t sum = 0;
  for (int64_t token = begin; token < end; ++token) sum += visible(plan.positions[static_cast<size_t>(token)], window);
  return sum;
}

}  // namespace bt
