// Whose weights these are: what a saved latent method remembers of its backbone.
#pragma once

#include <string>

#include "bt/model/parameters.h"

namespace bt {

// SHA-256, in hex digits, over name, shape and a 64-bit digest of every parameter's values rounded to bfloat16. So it
// is the same for the same weights opened in fp64, fp32 or bf16, from one file or shards, on any device; fine-tuning
// changes it unless no weight of the model moves by a bfloat16 step. It tells models apart by accident, not by an
// adversary. Cost: one pass over the weights at memory speed.
std::string weights_fingerprint(const ParameterStore& weights);

}  // namespace bt
