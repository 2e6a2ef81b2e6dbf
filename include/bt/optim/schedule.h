// Learning rate by step: linear warm-up, then constant or half a cosine (Loshchilov & Hutter 2017, arXiv 1608.03983).
#pragma once

#include <cstdint>

namespace bt {

struct Schedule {
  enum class Kind { cosine, constant };
  Kind kind = Kind::cosine;
  double peak = 1e-3;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  double final_ratio = 0.1;  // cosine: rate of the last step relative to the peak
};

// The rate of update `step`, counted from 0. The peak is first reached at step max(0, warmup_steps - 1); the last step
// is total_steps - 1, and later ones keep its rate.
double learning_rate(const Schedule& schedule, int64_t step);

}  // namespace bt
