// Branches off the texts of a plan, at places drawn at random: how a coprocessor trains on plain text
// (arXiv 2412.17747, section 2.2).
#pragma once

#include <cstdint>

#include "bt/data/plan.h"

namespace bt {

struct BranchOptions {
  BranchShape shape;
  int64_t places = 128;              // of a text; all there are where it is too short
  int64_t min_lag = 0, max_lag = 0;  // tokens between what the method reads and where its latents stand
};

// The key of a draw: the same text at the same `draw` (a step of training) is left at the same places.
struct BranchDraw {
  uint64_t seed = 0, draw = 0;
};
inline constexpr uint64_t kValidationDraw = ~uint64_t{0};  // of no step

// Adds branches to a plan whose sequences are one segment each. A place is one whose next token is supervised, none
// twice; lags are drawn evenly and end at a text's first token. A branch predicts the supervised tokens among its
// `ahead`. Linear in tokens.
Plan with_branches(Plan plan, const BranchOptions& options, const BranchDraw& draw);

// Whether a branch predicts its `ahead`-th token (0: the first).
bool predicts(const Plan& plan, const PlanBranch& branch, int64_t ahead);

}  // namespace bt
