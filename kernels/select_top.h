// The k rows of greatest mass of every event, all in one launch.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// chosen: ascending rows with mass >= 0, -1 behind the last; equal masses: the lower row. The same bits in every run.
// Cost: up to 31 passes over the masses, in registers up to 32,768 rows, through the L2 cache beyond.
struct SelectTop {
  const float* mass;  // [events, rows], rows of an event `stride` apart
  int64_t* chosen;    // [events, k]
  int64_t stride;
  int events, rows, k;  // k <= rows
};
void select_top(const SelectTop& work, Stream stream);

}  // namespace bt::kernels
