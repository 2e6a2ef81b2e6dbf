// Latent tokens spliced into a plan: how methods that append embeddings train and score.
#pragma once

#include <cstdint>

#include "bt/data/plan.h"

namespace bt {

struct LatentSplice {
  int64_t count = 0;                   // ids -1 … -count at every boundary
  bool before_boundary_token = false;  // the next token was already chosen when the latents are read
  bool shifts_positions = true;        // later tokens move to later positions; else they keep their own
  // Segments of the new plan. whole: one a sequence, since latents are known beforehand. kept: the old ones, each
  // beginning with the latents of the event before it. one_by_one: the old ones, with a segment of its own for every
  // latent.
  enum class Segments { whole, kept, one_by_one } segments = Segments::whole;
};

// The plan with latents at every boundary. The last latent predicts what the token before the cut predicted, except
// with before_boundary_token. With whole segments there are no events left.
Plan with_latents(const Plan& plan, const LatentSplice& splice);

}  // namespace bt
