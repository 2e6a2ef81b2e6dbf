#include "bt/data/splice.h"

#include <algorithm>
#include <set>

#include "bt/core/checked.h"

namespace bt {
namespace {

// Packed indices, ascending, of the tokens in front of which latents go.
std::set<int64_t> cuts_of(const Plan& plan) {
  std::set<int64_t> cuts;
  for (const Segment& segment : plan.segments) {
    if (segment.event >= 0) cuts.insert(segment.end);
  }
  return cuts;
}

void append(Plan& plan, int32_t id, int32_t position, int32_t target) {
  plan.ids.push_back(id);
  plan.positions.push_back(position);
  plan.targets.push_back(target);
}

}  // namespace

Plan with_latents(const Plan& plan, int64_t count, bool before_boundary_token) {
  const std::set<int64_t> cuts = cuts_of(plan);
  Plan out;
  out.supervised_tokens = plan.supervised_tokens;
  out.depth_begin = {0};
  for (const PlanSequence& sequence : plan.sequences) {
    PlanSequence moved = sequence;
    moved.begin = static_cast<int64_t>(out.ids.size());
    for (int64_t at = sequence.begin; at < sequence.end; ++at) {
      if (cuts.contains(at)) {
        int32_t target = -1;
        if (!before_boundary_token) std::swap(target, out.targets.back());
        for (int64_t m = 0; m < count; ++m) {
          const int32_t position =
              checked_cast<int32_t>(static_cast<int64_t>(out.ids.size()) - moved.begin, "position");
          append(out, static_cast<int32_t>(-1 - m), position, m + 1 == count ? target : -1);
        }
        if (at < sequence.begin + sequence.prompt_length) moved.prompt_length += count;
      }
      const size_t source = static_cast<size_t>(at);
      const int32_t position = checked_cast<int32_t>(static_cast<int64_t>(out.ids.size()) - moved.begin, "position");
      append(out, plan.ids[source], position, plan.targets[source]);
    }
    moved.end = static_cast<int64_t>(out.ids.size());
    Segment whole;
    whole.sequence = static_cast<int32_t>(out.sequences.size());
    whole.begin = moved.begin;
    whole.end = moved.end;
    out.segments.push_back(whole);
    out.sequences.push_back(moved);
  }
  out.depth_begin.push_back(static_cast<int64_t>(out.segments.size()));
  return out;
}

}  // namespace bt
