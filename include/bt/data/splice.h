// Latent tokens spliced into a plan: how methods that append known embeddings train in one pass.
#pragma once

#include <cstdint>

#include "bt/data/plan.h"

namespace bt {

// The plan with `count` latents, ids -1 … -count, at every boundary. Later tokens move to later positions. Every
// sequence becomes one segment without events. The last latent predicts what the token before the cut predicted, except
// with before_boundary_token, where the next token was already chosen when the latents are read.
Plan with_latents(const Plan& plan, int64_t count, bool before_boundary_token);

}  // namespace bt
