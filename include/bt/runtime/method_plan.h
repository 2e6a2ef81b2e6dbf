// The plan a method trains and scores on.
#pragma once

#include <vector>

#include "bt/data/branches.h"
#include "bt/latent/method.h"

namespace bt {

// make_plan for the method's effects: cut at its boundaries where it acts on the cache, latents spliced in where it
// appends embeddings, uncut for methods without effects (and for null). A method whose latents come from the cache
// keeps its segments; recurrent latents are segments of their own.
Plan plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
              const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids);

// The same for a step of training: branches off uncut texts for a method whose latents come from the cache, the stage
// of the step `draw.draw` for one with a curriculum (the last stage for kValidationDraw).
Plan training_plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
                       const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, const BranchDraw& draw);

// Cache rows that one call of the method adds to a sequence, at most; and all calls while a prompt of so many tokens is
// read and `new_tokens` are written.
int64_t rows_per_call(const Method* method);
int64_t most_added_rows(const Method* method, const TriggerOptions& trigger, int64_t prompt_tokens, int64_t new_tokens);

// Whether latents are computed from the running cache, or each from the state before it.
bool appends_from_cache(const Method* method);
bool appends_recurrently(const Method* method);
// Whether a gate decides on calls, from what the decoder has computed.
bool is_gated(const Method* method);

}  // namespace bt
