#include "layer_memory.h"

#include <algorithm>

namespace bt {
namespace {

// A norm keeps what it reads; the scale of a row is not worth counting.
int64_t norm_input(const at::Tensor& weight, int64_t width) { return weight.defined() ? width : 0; }

}  // namespace

LayerMemory layer_memory(const Decoder& decoder, const PassShape& shape) {
  const ModelConfig& config = decoder.config;
  const LayerWeights& weights = decoder.layers.front();
  const int64_t stream = config.hidden_size, inner = config.intermediate_size;
  const int64_t queries = config.heads * config.head_dim, keys = config.kv_heads * config.head_dim;
  int64_t attention = norm_input(weights.attention_norm, stream) + norm_input(weights.q_norm, queries) +
                      norm_input(weights.k_norm, keys);
  int64_t mlp = norm_input(weights.attention_out_norm, stream) + norm_input(weights.mlp_norm, stream) +
                norm_input(weights.mlp_out_norm, stream);
  // Gate and up. Where no kernel does it in one, the activated gate too.
  const int64_t gated = shape.on_cpu ? 3 * inner : 2 * inner;
  mlp += gated;
  int64_t backward = stream + 3 * inner;              // gradients of the stream, of the gated product, of gate and up
  if (shape.trains_backbone || shape.has_adapters) {  // a product with a trained weight keeps what it reads
    attention += stream + queries;
    mlp += stream + inner;
    backward -= inner;  // of the gated product, which has been let go
  }
  const int64_t forward_attention = 2 * stream + 2 * queries + 2 * keys;
  const int64_t forward = stream + forward_attention + gated + inner;
  const int64_t bytes = shape.element_bytes;
  return {attention * bytes, mlp * bytes, forward_attention * bytes, forward * bytes, backward * bytes};
}

int64_t weight_gradient_bytes(const Decoder& decoder, const PassShape& shape) {
  if (!shape.trains_backbone) return 0;
  const ModelConfig& config = decoder.config;
  return config.hidden_size * std::max(config.intermediate_size, config.heads * config.head_dim) * shape.element_bytes;
}

}  // namespace bt
