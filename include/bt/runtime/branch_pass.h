// The reference of one-pass training on augmented branches (arXiv 2412.17747, training): dense masks, one text at a
// time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bt/latent/effects.h"
#include "bt/model/decoder.h"

namespace bt {

// Branches off one text: after its first ends[b] tokens, the method's latents, then the next `ahead` tokens.
struct BranchSpec {
  std::vector<int64_t> ends;  // 1 … tokens - ahead
  int64_t ahead = 16;
};

// Negative log-likelihood of every ahead token, [branches, ahead]. A branch sees the original prefix, its own latents
// and its own ahead tokens; the last latent predicts the first ahead token. Latents and ahead tokens take the positions
// that follow the prefix. Differentiable in what the latents depend on; the decoder is used as it is.
at::Tensor branch_losses(const Decoder& decoder, const Append& append, const std::vector<int32_t>& ids,
                         const BranchSpec& spec);

}  // namespace bt
