#include "bt/latent/row_choice.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/core/random.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

at::Tensor row_numbers(const EventRows& events) { return at::arange(events.mass_ET.size(1), events.rows_E.options()); }

// Rows in use and not evicted, [E, T].
at::Tensor present_rows(const EventRows& events, const at::Tensor& row_T) {
  const at::Tensor used_ET = row_T < events.rows_E.unsqueeze(1);
  return events.alive_ET.defined() ? used_ET.logical_and(events.alive_ET) : used_ET;
}

// Of those, the rows inside the window of the next token.
at::Tensor within_window(const EventRows& events, const at::Tensor& present_ET) {
  if (events.window == 0) return present_ET;
  const at::Tensor last_E1 = (events.rows_E - 1).clamp_min(0).unsqueeze(1);
  const at::Tensor next_position_E1 = events.position_ET.gather(1, last_E1) + 1;
  return present_ET.logical_and(next_position_E1 - events.position_ET < events.window);
}

// J: the newest `recent` rows, of the last step or of any. Evicted rows do not count.
at::Tensor newest_rows(const EventRows& events, const RowChoiceOptions& options, const at::Tensor& present_ET,
                       const at::Tensor& row_T) {
  const at::Tensor rank_ET = present_ET.flip(1).cumsum(1).flip(1);  // 1: the newest
  const at::Tensor newest_ET = present_ET.logical_and(rank_ET <= options.recent);
  return options.window == "recent" ? newest_ET : newest_ET.logical_and(row_T >= events.step_begin_E.unsqueeze(1));
}

// A score per row in [0, 1) that depends on (sequence, boundary, layer, row) alone.
at::Tensor random_scores(const EventRows& events) {
  const at::Tensor source = events.source_E.cpu(), ordinal = events.ordinal_E.cpu();
  at::Tensor scores = at::empty(events.mass_ET.sizes(), at::kDouble);
  for (int64_t e = 0; e < scores.size(0); ++e) {
    CounterRng rng(static_cast<uint64_t>(source[e].item<int64_t>()), stream_id("random_recall"),
                   static_cast<uint64_t>(ordinal[e].item<int64_t>() * 4096 + layer_of(events, e)));
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

// Of the rows scored, those that hold a share of the event's mass, greatest first; the others get -1.
at::Tensor holding_share(const at::Tensor& scores_ET, double share) {
  const at::Tensor mass_ET = scores_ET.clamp_min(0);
  const auto [sorted_ET, order_ET] = at::sort(mass_ET, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  const at::Tensor before_ET = sorted_ET.cumsum(1) - sorted_ET;
  const at::Tensor enough_ET = before_ET >= share * mass_ET.sum(1, /*keepdim=*/true);
  return scores_ET.masked_fill(at::zeros_like(enough_ET).scatter(1, order_ET, enough_ET), -1);
}

// k rows, one after the other: mass relative to the greatest, less `diversity` times the greatest cosine between the
// row's key and a key chosen before. Ascending, -1 where there are fewer.
at::Tensor select_diverse(const EventRows& events, const at::Tensor& scores_ET, int64_t k, double diversity) {
  const at::Tensor keys_ETC = keys_EGTD(events).transpose(1, 2).flatten(2).to(scores_ET.scalar_type());
  const at::Tensor unit_ETC = keys_ETC / keys_ETC.norm(2, {2}, /*keepdim=*/true).clamp_min(1e-12);
  const at::Tensor relative_ET = scores_ET / scores_ET.amax(1, /*keepdim=*/true).clamp_min(1e-30);
  at::Tensor open_ET = scores_ET >= 0, chosen_ET = at::zeros_like(open_ET);
  at::Tensor closest_ET = at::zeros_like(scores_ET);
  for (int64_t i = 0; i < k; ++i) {
    const at::Tensor value_ET =
        (relative_ET - diversity * closest_ET + diversity).masked_fill(open_ET.logical_not(), -1);
    const at::Tensor row_E1 = ops::select_top(value_ET, 1);
    const at::Tensor found_E1 = row_E1 >= 0, at_E1 = row_E1.clamp_min(0);
    chosen_ET.scatter_(1, at_E1, chosen_ET.gather(1, at_E1).logical_or(found_E1));
    open_ET = open_ET.logical_and(chosen_ET.logical_not());
    const at::Tensor unit_E1C = unit_ETC.gather(1, at_E1.unsqueeze(2).expand({-1, -1, unit_ETC.size(2)}));
    closest_ET = closest_ET.maximum(at::matmul(unit_ETC, unit_E1C.transpose(1, 2)).squeeze(2));
  }
  return ops::select_top(chosen_ET.to(scores_ET.scalar_type()) - 0.5, k);
}

// R: of the rows not hidden, at most `most`.
at::Tensor recalled_rows(const EventRows& events, const RowChoiceOptions& options, const at::Tensor& hidden_ET,
                         const at::Tensor& row_T, int64_t most) {
  at::Tensor scores_ET = recall_scores(events, row_T, options.recall_by).masked_fill(hidden_ET, -1);
  if (options.recall_share > 0 && scores_ET.numel() > 0) scores_ET = holding_share(scores_ET, options.recall_share);
  const int64_t count = std::min(options.recall, most);
  if (options.recall_diversity > 0 && count > 0)
    return select_diverse(events, scores_ET, count, options.recall_diversity);
  return ops::select_top(scores_ET, count);
}

// The most rows of either kind that any event can have: slots beyond them would be padding for all.
struct Widths {
  int64_t recent = 0, earlier = 0;
};

// count_2E: gives how many there are.
template <class Count>
Widths most_of(const EventRows& events, const RowChoiceOptions& options, const Count& count_2E) {
  if (events.mass_ET.numel() == 0) return {};
  Widths bound;
  for (const RowBounds& event : events.bounds_E) {
    const int64_t newest = std::min(options.recent, options.window == "recent" ? event.rows : event.step);
    bound.recent = std::max(bound.recent, newest);
    bound.earlier = std::max(bound.earlier, event.rows - newest);
  }
  if (!events.bounds_E.empty()) return bound;
  const at::Tensor most = count_2E().amax(1).cpu();  // one synchronisation
  return {most[0].item<int64_t>(), most[1].item<int64_t>()};
}

// Whether the host knows that no step is empty.
bool all_act(const EventRows& events) {
  return !events.bounds_E.empty() &&
         std::ranges::all_of(events.bounds_E, [](const RowBounds& event) { return event.step > 0; });
}

// J and what R is chosen from.
struct Sides {
  at::Tensor recent_EW;  // as ChosenRows::rows_EW
  at::Tensor hidden_ET;  // rows that are not recalled
  int64_t earlier = 0;   // the most that may be, of any event
};

// Where rows may be gone or out of sight.
Sides sides_with_gaps(const EventRows& events, const RowChoiceOptions& options, const at::Tensor& row_T) {
  const at::Tensor idle_E1 = (events.rows_E <= events.step_begin_E).unsqueeze(1);  // nothing written: nobody votes
  const at::Tensor present_ET = present_rows(events, row_T).logical_and_(idle_E1.logical_not());
  const at::Tensor newest_ET = newest_rows(events, options, present_ET, row_T);
  const at::Tensor usable_ET = within_window(events, present_ET);
  const at::Tensor recent_ET = usable_ET.logical_and(newest_ET),
                   earlier_ET = usable_ET.logical_and(newest_ET.logical_not());
  const Widths most = most_of(events, options, [&] { return at::stack({recent_ET, earlier_ET}).sum(2); });
  return {ops::select_top(recent_ET.to(events.mass_ET.scalar_type()) - 0.5, options.rewrite_recent ? most.recent : 0),
          earlier_ET.logical_not(), most.earlier};
}

// Where all rows stand, what is recent and what is earlier are two ranges: few and small operations.
Sides sides_of_ranges(const EventRows& events, const RowChoiceOptions& options, const at::Tensor& row_T) {
  const at::Tensor newest_E = events.rows_E - options.recent;
  const at::Tensor begin_E =
      options.window == "recent" ? newest_E.clamp_min_(0) : newest_E.maximum(events.step_begin_E);
  at::Tensor earlier_E = begin_E, end_E = events.rows_E;
  if (!all_act(events)) {  // where nothing was written nobody votes
    const at::Tensor acts_E = events.step_begin_E < events.rows_E;
    earlier_E = begin_E * acts_E;
    end_E = events.rows_E * acts_E;
  }
  const Widths most = most_of(events, options, [&] { return at::stack({(end_E - begin_E).clamp_min(0), earlier_E}); });
  const int64_t width = options.rewrite_recent ? std::min(most.recent, row_T.size(0)) : 0;
  at::Tensor recent_EW = begin_E.unsqueeze(1) + row_T.narrow(0, 0, width);
  recent_EW.masked_fill_(recent_EW >= end_E.unsqueeze(1), -1);
  return {recent_EW, row_T >= earlier_E.unsqueeze(1), most.earlier};
}

}  // namespace

at::Tensor keys_EGTD(const EventRows& events) {
  return events.place_E.defined() ? events.k_BGTD.index_select(0, events.place_E) : events.k_BGTD;
}

int64_t layer_of(const EventRows& events, int64_t e) {
  return events.layer + e * events.layers / events.rows_E.size(0);
}

ChosenRows choose_rows(const EventRows& events, const RowChoiceOptions& options) {
  static_assert(static_cast<int>(RowKind::pad) == 0 && static_cast<int>(RowKind::recent) == 1);
  const at::Tensor row_T = row_numbers(events);
  const bool has_gaps = events.alive_ET.defined() || events.window > 0;
  Sides sides = has_gaps ? sides_with_gaps(events, options, row_T) : sides_of_ranges(events, options, row_T);
  if (options.recall_exclude_first > 0)
    sides.hidden_ET = sides.hidden_ET.logical_or(events.position_ET < options.recall_exclude_first);
  const at::Tensor recalled_EW = recalled_rows(events, options, sides.hidden_ET, row_T, sides.earlier);
  const at::Tensor rows_EW = at::cat({sides.recent_EW, recalled_EW}, 1);
  const at::Tensor kind_EW = (rows_EW >= 0).to(at::kChar);
  kind_EW.narrow(1, sides.recent_EW.size(1), recalled_EW.size(1)).mul_(static_cast<int64_t>(RowKind::recalled));
  return {rows_EW, kind_EW};
}

bool is_recordable(const RowChoiceOptions& options) { return options.recall_by != "random"; }

}  // namespace bt
