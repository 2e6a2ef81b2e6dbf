// Latent tokens spliced into a plan: how methods that append embeddings train and score.
#pragma once

#include <cstdint>

#include "bt/data/plan.h"

namespace bt {

struct LatentSplice {
  int64_t count = 0;                   // ids -1 … -count at every boundary
  bool before_boundary_token = false;  // the next token was already chosen when the latents are read
  bool shifts_positions = true;        // later tokens move to later positions; else they keep their own
  bool keeps_segments = false;  // a segment begins with the latents of the event before it; else one segment each
};

// The plan with latents at every boundary. The last latent predicts what the token before the cut predicted, except
// with before_boundary_token. Without keeps_segments there are no events left: the latents are known beforehand.
Plan with_latents(const Plan& plan, const LatentSplice& splice);

}  // namespace bt
