#include "bt/data/splice.h"

#include <set>
#include <utility>
#include <vector>

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

// Where every token of a plan went: `start` is where the latents before it begin, `token` itself.
struct Moves {
  std::vector<int64_t> start, token;
};

PlanSequence append_sequence(Plan& out, const Plan& plan, const PlanSequence& sequence, const std::set<int64_t>& cuts,
                             const LatentSplice& splice, Moves& moves) {
  PlanSequence moved = sequence;
  moved.begin = out.tokens();
  int64_t position = 0;
  for (int64_t at = sequence.begin; at < sequence.end; ++at) {
    moves.start.push_back(out.tokens());
    if (cuts.contains(at)) {
      int32_t target = -1;
      if (!splice.before_boundary_token && out.tokens() > moved.begin) std::swap(target, out.targets.back());
      for (int64_t m = 0; m < splice.count; ++m) {
        append(out, static_cast<int32_t>(-1 - m), checked_cast<int32_t>(position + m, "position"),
               m + 1 == splice.count ? target : -1);
      }
      if (splice.shifts_positions) position += splice.count;
      if (at < sequence.begin + sequence.prompt_length) moved.prompt_length += splice.count;
    }
    moves.token.push_back(out.tokens());
    const auto source = static_cast<size_t>(at);
    append(out, plan.ids[source], checked_cast<int32_t>(position++, "position"), plan.targets[source]);
  }
  moved.end = out.tokens();
  return moved;
}

// Segments and events of the old plan, each segment with the latents in front of it.
void keep_segments(Plan& out, const Plan& plan, const Moves& moves) {
  const auto start_of = [&](const PlanSequence& old, const PlanSequence& now, int64_t at) {
    return at == old.end ? now.end : moves.start[static_cast<size_t>(at)];
  };
  out.depth_begin = plan.depth_begin;
  out.segments = plan.segments;
  out.events = plan.events;
  for (Segment& segment : out.segments) {
    const auto s = static_cast<size_t>(segment.sequence);
    const PlanSequence &old = plan.sequences[s], &now = out.sequences[s];
    segment.begin = segment.depth == 0 ? now.begin : start_of(old, now, segment.begin);
    segment.end = start_of(old, now, segment.end);
    segment.prefix_end = segment.begin - now.begin;
  }
  for (PlanEvent& event : out.events) {
    const auto s = static_cast<size_t>(event.sequence);
    const int64_t begin = out.sequences[s].begin, old_begin = plan.sequences[s].begin + event.step_begin;
    event.rows = out.segments[static_cast<size_t>(event.segment)].end - begin;
    event.step_begin =
        old_begin == plan.sequences[s].end ? event.rows : moves.token[static_cast<size_t>(old_begin)] - begin;
  }
}

// Cuts the `count` latents that every segment but the first begins with off it, one segment each.
void set_latents_apart(Plan& plan, int64_t count) {
  const std::vector<Segment> old = std::exchange(plan.segments, {});
  const std::vector<int64_t> old_depths = std::exchange(plan.depth_begin, {0});
  std::vector<int32_t> last(plan.sequences.size(), -1);
  const auto append = [&](Segment segment, int64_t begin, int64_t end, int32_t event) {
    const auto s = static_cast<size_t>(segment.sequence);
    segment.parent = std::exchange(last[s], checked_cast<int32_t>(plan.segments.size(), "segments of a batch"));
    segment.depth = static_cast<int32_t>(plan.depth_begin.size()) - 1;
    segment.prefix_end = begin - plan.sequences[s].begin;
    segment.begin = begin;
    segment.end = end;
    segment.event = event;
    if (event >= 0) plan.events[static_cast<size_t>(event)].segment = last[s];
    plan.segments.push_back(segment);
  };
  for (size_t depth = 0; depth + 1 < old_depths.size(); ++depth) {
    const int64_t latents = depth == 0 ? 0 : count;
    for (int64_t m = 0; m <= latents; ++m) {
      for (int64_t i = old_depths[depth]; i < old_depths[depth + 1]; ++i) {
        const Segment& segment = old[static_cast<size_t>(i)];
        const int64_t begin = segment.begin + m;
        append(segment, begin, m < latents ? begin + 1 : segment.end, m < latents ? -1 : segment.event);
      }
      plan.depth_begin.push_back(static_cast<int64_t>(plan.segments.size()));
    }
  }
}

void make_one_segment_each(Plan& out) {
  out.depth_begin = {0};
  for (size_t s = 0; s < out.sequences.size(); ++s) {
    out.segments.push_back(
        {.sequence = static_cast<int32_t>(s), .begin = out.sequences[s].begin, .end = out.sequences[s].end});
  }
  out.depth_begin.push_back(static_cast<int64_t>(out.segments.size()));
}

}  // namespace

Plan with_latents(const Plan& plan, const LatentSplice& splice) {
  const std::set<int64_t> cuts = cuts_of(plan);
  Plan out;
  out.supervised_tokens = plan.supervised_tokens;
  Moves moves;
  for (const PlanSequence& sequence : plan.sequences)
    out.sequences.push_back(append_sequence(out, plan, sequence, cuts, splice, moves));
  if (splice.segments == LatentSplice::Segments::whole) {
    make_one_segment_each(out);
    return out;
  }
  keep_segments(out, plan, moves);
  if (splice.segments == LatentSplice::Segments::one_by_one) set_latents_apart(out, splice.count);
  return out;
}

}  // namespace bt
