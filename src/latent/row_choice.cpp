#include "bt/latent/row_choice.h"

#include <ATen/ATen.h>

#include "bt/core/random.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

// Rows the next token can see, [E, T]: in use, not evicted, inside its window.
at::Tensor reachable(const EventRows& events, const at::Tensor& row_T) {
  at::Tensor ok_ET = row_T < events.rows_E.unsqueeze(1);
  if (events.window > 0) {
    const at::Tensor last_E1 = (events.rows_E - 1).clamp_min(0).unsqueeze(1);
    const at::Tensor next_position_E1 = events.position_ET.gather(1, last_E1) + 1;
    ok_ET.logical_and_(next_position_E1 - events.position_ET < events.window);
  }
  if (events.alive_ET.defined()) ok_ET.logical_and_(events.alive_ET);
  return ok_ET;
}

// A score per row in [0, 1) that depends on (sequence, boundary, layer, row) alone.
at::Tensor random_scores(const EventRows& events) {
  const at::Tensor source = events.source_E.cpu();
  at::Tensor scores = at::empty(events.mass_ET.sizes(), at::kDouble);
  for (int64_t e = 0; e < scores.size(0); ++e) {
    CounterRng rng(static_cast<uint64_t>(source[e].item<int64_t>()), stream_id("random_recall"),
                   static_cast<uint64_t>(events.ordinal * 4096 + events.layer));
    double* row = scores[e].data_ptr<double>();
    for (int64_t t = 0; t < scores.size(1); ++t) row[t] = rng.uniform();
  }
  return scores.to(events.mass_ET.options());
}

at::Tensor recall_scores(const EventRows& events, const at::Tensor& row_T, const std::string& by) {
  if (by == "random") return random_scores(events);
  if (by == "newest") return row_T.to(events.mass_ET.scalar_type()).expand_as(events.mass_ET);
  return events.mass_ET;
}

}  // namespace

ChosenRows choose_rows(const EventRows& events, const RowChoiceOptions& options) {
  const at::Tensor row_T = at::arange(events.mass_ET.size(1), events.rows_E.options());
  const at::Tensor ok_ET = reachable(events, row_T);
  const at::Tensor newest_E = (events.rows_E - options.recent).clamp_min(0);
  const at::Tensor wanted_E = options.window == "recent" ? newest_E : newest_E.maximum(events.step_begin_E);
  const at::Tensor idle_E = events.rows_E <= events.step_begin_E;  // nothing written: nobody votes, nothing is recent
  const at::Tensor recent_begin_E = at::where(idle_E, events.rows_E, wanted_E);

  const int64_t recent = events.rows_E.size(0) == 0 ? 0 : (events.rows_E - recent_begin_E).max().item<int64_t>();
  at::Tensor recent_EW = recent_begin_E.unsqueeze(1) + at::arange(recent, row_T.options());
  const at::Tensor past_end_EW = recent_EW >= events.rows_E.unsqueeze(1);
  const at::Tensor inside_EW = recent_EW.clamp_max(std::max<int64_t>(row_T.size(0) - 1, 0));
  recent_EW = recent_EW.masked_fill(past_end_EW.logical_or(ok_ET.gather(1, inside_EW).logical_not()), -1);

  const at::Tensor candidate_ET = ok_ET.logical_and(row_T < recent_begin_E.unsqueeze(1))
                                      .logical_and_(row_T >= options.recall_exclude_first)
                                      .logical_and_(idle_E.logical_not().unsqueeze(1));
  const at::Tensor scores_ET = recall_scores(events, row_T, options.recall_by).masked_fill(candidate_ET.logical_not(), -1);
  const at::Tensor recalled_EW = ops::select_top(scores_ET, options.recall);

  const auto kinds = [](const at::Tensor& rows, RowKind kind) {
    return at::full_like(rows, static_cast<int64_t>(kind), rows.options().dtype(at::kChar)).masked_fill(rows < 0, static_cast<int64_t>(RowKind::pad));
  };
  return {at::cat({recent_EW, recalled_EW}, 1), at::cat({kinds(recent_EW, RowKind::recent), kinds(recalled_EW, RowKind::recalled)}, 1)};
}

}  // namespace bt
