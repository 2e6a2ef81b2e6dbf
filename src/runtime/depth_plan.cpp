#include "depth_plan.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/core/error.h"
#include "to_tensor.h"

namespace bt {
namespace {

// Index tables of a set of segments laid side by side and right-padded.
struct SegmentTable {
  std::vector<int64_t> token_slots, own_rows;  // [count, width]
  std::vector<int64_t> slot, segment, row;
};

SegmentTable tabulate(const Plan& plan, int64_t first, int64_t last, int64_t width) {
  SegmentTable table;
  table.token_slots.assign(static_cast<size_t>((last - first) * width), 0);
  table.own_rows.assign(table.token_slots.size(), -1);
  int64_t token = 0;
  for (int64_t index = first; index < last; ++index) {
    const Segment& segment = plan.segments[static_cast<size_t>(index)];
    const int64_t sequence_begin = plan.sequences[static_cast<size_t>(segment.sequence)].begin;
    for (int64_t at = segment.begin; at < segment.end; ++at, ++token) {
      const int64_t slot = (index - first) * width + (at - segment.begin);
      table.token_slots[static_cast<size_t>(slot)] = token;
      table.slot.push_back(slot);
      table.segment.push_back(index - first);
      table.row.push_back(at - sequence_begin);
      table.own_rows[static_cast<size_t>(slot)] = at - sequence_begin;
    }
  }
  return table;
}

int64_t longest(const Plan& plan, int64_t first, int64_t last) {
  int64_t width = 0;
  for (int64_t i = first; i < last; ++i)
    width = std::max(width, plan.segments[static_cast<size_t>(i)].end - plan.segments[static_cast<size_t>(i)].begin);
  return width;
}

int64_t rows_after(const Plan& plan, const Segment& segment) {
  return segment.end - plan.sequences[static_cast<size_t>(segment.sequence)].begin;
}

}  // namespace

DepthPlan segments_plan(const Plan& plan, int64_t first, int64_t last, int64_t token_begin) {
  DepthPlan out;
  out.sequences = last - first;
  out.token_begin = token_begin;
  out.width = longest(plan, first, last);
  std::vector<int64_t> query_length, rows;
  for (int64_t i = first; i < last; ++i) {
    const Segment& segment = plan.segments[static_cast<size_t>(i)];
    query_length.push_back(segment.end - segment.begin);
    rows.push_back(rows_after(plan, segment));
    out.rows = std::max(out.rows, rows.back());
  }
  const SegmentTable table = tabulate(plan, first, last, out.width);
  out.token_end = token_begin + static_cast<int64_t>(table.slot.size());
  out.token_BS = host_tensor(table.token_slots, {out.sequences, out.width});
  out.slot_n = host_tensor(table.slot);
  out.sequence_n = host_tensor(table.segment);
  out.row_n = host_tensor(table.row);
  out.query_length_B = host_tensor(query_length);
  out.rows_B = host_tensor(rows);
  out.own_row_BS = host_tensor(table.own_rows, {out.sequences, out.width});
  return out;
}

DepthPlan depth_plan(const Plan& plan, int64_t depth, int64_t token_begin) {
  const int64_t first = plan.depth_begin[static_cast<size_t>(depth)],
                last = plan.depth_begin[static_cast<size_t>(depth) + 1];
  DepthPlan out = segments_plan(plan, first, last, token_begin);
  std::vector<int64_t> event_rows, step_begin, step_rows, behind;
  for (int64_t i = first; i < last; ++i) {
    const Segment& segment = plan.segments[static_cast<size_t>(i)];
    if (segment.event < 0) continue;
    BT_ASSERT(static_cast<int64_t>(step_begin.size()) == i - first);  // those with an event come first
    const PlanEvent& event = plan.events[static_cast<size_t>(segment.event)];
    event_rows.push_back(event.rows);
    step_begin.push_back(event.step_begin);
    step_rows.push_back(event.rows - event.step_begin);
    behind.push_back(rows_after(plan, segment) - event.rows);
  }
  out.events = static_cast<int64_t>(step_begin.size());
  out.step_begin_E = host_tensor(step_begin);
  out.step_rows_E = host_tensor(step_rows);
  out.ordinal_E = host_tensor(std::vector<int64_t>(step_begin.size(), depth));
  if (std::any_of(behind.begin(), behind.end(), [](int64_t count) { return count > 0; }))
    out.behind_E = host_tensor(behind);
  out.host_event_rows_E = std::move(event_rows);
  out.host_step_begin_E = std::move(step_begin);
  return out;
}

}  // namespace bt
