// What a token takes in one layer of a decoder, outside attention.
#pragma once

#include "bt/train/pass_memory.h"

namespace bt {

// Bytes per token.
struct LayerMemory {
  int64_t kept_attention = 0, kept_mlp = 0;  // by autograd, up to the attention and behind it
  int64_t forward_attention = 0;             // held within attention by a token that nothing is kept of
  int64_t forward = 0;                       // and at most
  int64_t backward = 0;                      // added at most in the backward pass, which begins behind the attention
};

LayerMemory layer_memory(const Decoder& decoder, const PassShape& shape);

// Bytes of the layer's largest weight, whose gradient exists once before it is added to the others.
int64_t weight_gradient_bytes(const Decoder& decoder, const PassShape& shape);

}  // namespace bt
