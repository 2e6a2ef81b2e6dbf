#include "bt/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bt {

double learning_rate(const Schedule& schedule, int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.peak * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  }
  if (schedule.kind == Schedule::Kind::constant) return schedule.peak;
  const int64_t length = std::max<int64_t>(1, schedule.total_steps - 1 - schedule.warmup_steps);
  const double progress =
      std::min(1.0, static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(length));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return schedule.peak * (schedule.final_ratio + (1 - schedule.final_ratio) * cosine);
}

}  // namespace bt
