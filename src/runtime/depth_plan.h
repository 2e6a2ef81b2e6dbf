// Segments of a plan as tables on the host.
#pragma once

#include <cstdint>

#include "bt/data/plan.h"
#include "bt/runtime/device_plan.h"

namespace bt {

// Segments [first, last) of the plan, without their events. Their tokens begin at packed token `token_begin`.
DepthPlan segments_plan(const Plan& plan, int64_t first, int64_t last, int64_t token_begin);
// Those of one depth, with the events behind them.
DepthPlan depth_plan(const Plan& plan, int64_t depth, int64_t token_begin);

}  // namespace bt
