// The plan a method trains and scores on.
#pragma once

#include <vector>

#include "bt/data/plan.h"
#include "bt/latent/method.h"

namespace bt {

// make_plan for the method's effects: cut at its boundaries where it acts on the cache, latents spliced in where it
// appends known embeddings, uncut for methods without effects (and for null).
Plan plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
              const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids);

}  // namespace bt
