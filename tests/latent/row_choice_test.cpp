// Which rows are rewritten: the choice against a loop, and its random control.
#include "bt/latent/row_choice.h"

#include <algorithm>
#include <set>

#include "latent/latent_test_support.h"

namespace bt {
namespace {

using Rows = std::vector<int64_t>;

// A random batch of caches: ragged lengths, empty steps, gaps in the positions, ties in the masses.
EventRows random_events(uint64_t seed, int64_t events, int64_t rows, bool evicted) {
  CounterRng rng(seed, stream_id("random_events"));
  EventRows out;
  out.mass_ET = at::zeros({events, rows}, at::kDouble);
  out.position_ET = at::zeros({events, rows}, at::kLong);
  out.rows_E = at::zeros({events}, at::kLong);
  out.step_begin_E = at::zeros({events}, at::kLong);
  out.source_E = at::arange(events) + 100;
  out.ordinal_E = at::arange(events) % 3;
  if (evicted) out.alive_ET = at::ones({events, rows}, at::kBool);
  for (int64_t e = 0; e < events; ++e) {
    const int64_t used = 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(rows)));
    out.rows_E[e] = used;
    out.step_begin_E[e] = static_cast<int64_t>(rng.below(static_cast<uint64_t>(used + 1)));
    int64_t position = 0;
    for (int64_t t = 0; t < rows; ++t) {
      out.position_ET[e][t] = position;
      position += 1 + static_cast<int64_t>(rng.below(2));
      out.mass_ET[e][t] = 0.125 * static_cast<double>(rng.below(4));
      if (evicted && rng.uniform() < 0.3) out.alive_ET[e][t] = false;
    }
  }
  return out;
}

struct Chosen {
  Rows recent, recalled;
  bool operator==(const Chosen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Chosen& chosen) {
  return out << ::testing::PrintToString(chosen.recent) << " + " << ::testing::PrintToString(chosen.recalled);
}

Chosen naive(const EventRows& events, int64_t e, const RowChoiceOptions& options) {
  const auto at = [e](const at::Tensor& x) { return x[e].item<int64_t>(); };
  const int64_t used = at(events.rows_E), begin = at(events.step_begin_E);
  Chosen out;
  if (begin >= used) return out;
  const int64_t next = events.position_ET[e][used - 1].item<int64_t>() + 1;
  const auto alive = [&](int64_t t) { return !events.alive_ET.defined() || events.alive_ET[e][t].item<bool>(); };
  const auto in_window = [&](int64_t t) {
    return events.window == 0 || next - events.position_ET[e][t].item<int64_t>() < events.window;
  };
  std::set<int64_t> newest;
  for (int64_t t = used - 1;
       t >= (options.window == "step" ? begin : 0) && static_cast<int64_t>(newest.size()) < options.recent; --t) {
    if (alive(t)) newest.insert(t);
  }
  for (const int64_t t : newest) {
    if (in_window(t)) out.recent.push_back(t);
  }
  for (int64_t t = 0; t < used; ++t) {
    const bool is_first = events.position_ET[e][t].item<int64_t>() < options.recall_exclude_first;
    if (!is_first && alive(t) && in_window(t) && !newest.contains(t)) out.recalled.push_back(t);
  }
  const auto score = [&](int64_t t) {
    return options.recall_by == "newest" ? static_cast<double>(t) : events.mass_ET[e][t].item<double>();
  };
  std::stable_sort(out.recalled.begin(), out.recalled.end(), [&](int64_t a, int64_t b) { return score(a) > score(b); });
  if (static_cast<int64_t>(out.recalled.size()) > options.recall)
    out.recalled.resize(static_cast<size_t>(options.recall));
  std::sort(out.recalled.begin(), out.recalled.end());
  return out;
}

Chosen chosen_of(const ChosenRows& chosen, int64_t e) {
  Chosen out;
  for (int64_t w = 0; w < chosen.rows_EW.size(1); ++w) {
    const int64_t row = chosen.rows_EW[e][w].item<int64_t>();
    const auto kind = static_cast<RowKind>(chosen.kind_EW[e][w].item<int8_t>());
    EXPECT_EQ(row < 0, kind == RowKind::pad);
    if (kind == RowKind::recent) out.recent.push_back(row);
    if (kind == RowKind::recalled) out.recalled.push_back(row);
  }
  return out;
}

void expect_naive(const EventRows& events, const RowChoiceOptions& options, const std::string& what) {
  const ChosenRows chosen = choose_rows(events, options);
  for (int64_t e = 0; e < events.mass_ET.size(0); ++e)
    EXPECT_EQ(chosen_of(chosen, e), naive(events, e, options)) << what << ", event " << e;
}

TEST(RowChoice, EqualsTheLoop) {
  uint64_t seed = 0;
  for (const std::string window : {"step", "recent"}) {
    for (const std::string by : {"mass", "newest"}) {
      for (const int64_t recall : {0, 1, 4, 64}) {
        for (const bool evicted : {false, true}) {
          const RowChoiceOptions options{.recall = recall,
                                         .recent = 3,
                                         .window = window,
                                         .recall_by = by,
                                         .recall_exclude_first = recall == 4 ? 2 : 0};
          EventRows events = random_events(++seed, 7, 13, evicted);
          events.window = seed % 3 == 0 ? 6 : 0;
          expect_naive(events, options, window + " " + by + " " + std::to_string(recall) + (evicted ? " evicted" : ""));
        }
      }
    }
  }
}

TEST(RowChoice, TakesAwkwardSizes) {
  for (const int64_t events : {1, 19}) {
    for (const int64_t rows : {1, 37}) {
      expect_naive(random_events(5, events, rows, false), {.recall = 5, .recent = 64},
                   std::to_string(events) + " x " + std::to_string(rows));
    }
  }
  EXPECT_EQ(choose_rows(random_events(5, 0, 4, false), {}).rows_EW.size(0), 0);
}

TEST(RowChoice, AnEmptyStepChoosesNothing) {
  EventRows events = random_events(1, 4, 9, false);
  events.step_begin_E = events.rows_E;
  EXPECT_TRUE((choose_rows(events, {.recall = 3, .recent = 4, .window = "recent"}).rows_EW < 0).all().item<bool>());
}

Rows random_recall(const EventRows& events, int64_t e) {
  return chosen_of(choose_rows(events, {.recall = 4, .recent = 2, .recall_by = "random"}), e).recalled;
}

// 30 rows, of which the last five are the step.
EventRows one_event(int64_t source, int64_t ordinal, int64_t layer) {
  EventRows events = random_events(2, 1, 30, false);
  events.rows_E.fill_(30);
  events.step_begin_E.fill_(25);
  events.source_E.fill_(source);
  events.ordinal_E.fill_(ordinal);
  events.layer = layer;
  return events;
}

TEST(RandomRecall, DependsOnSequenceBoundaryAndLayerAlone) {
  const EventRows base = one_event(7, 1, 2);
  const Rows rows = random_recall(base, 0);
  EXPECT_EQ(rows.size(), 4u);
  EventRows other_mass = one_event(7, 1, 2);
  other_mass.mass_ET.mul_(0.5).add_(0.1);
  EXPECT_EQ(random_recall(other_mass, 0), rows);
  EventRows batch = random_events(3, 3, 30, false);  // the same event as the last of three
  batch.layer = 2;
  for (auto member : {&EventRows::rows_E, &EventRows::step_begin_E, &EventRows::source_E, &EventRows::ordinal_E})
    (batch.*member)[2] = (base.*member)[0];
  EXPECT_EQ(random_recall(batch, 2), rows);
  EXPECT_NE(random_recall(one_event(8, 1, 2), 0), rows);
  EXPECT_NE(random_recall(one_event(7, 2, 2), 0), rows);
  EXPECT_NE(random_recall(one_event(7, 1, 3), 0), rows);
}

TEST(RandomRecall, OfSeveralLayersIsThatOfEach) {
  EventRows both = random_events(2, 2, 30, false);
  const EventRows one = one_event(7, 1, 4);
  for (auto member : {&EventRows::rows_E, &EventRows::step_begin_E, &EventRows::source_E, &EventRows::ordinal_E})
    (both.*member) = (one.*member).repeat({2});
  both.layer = 3;
  both.layers = 2;
  EXPECT_EQ(random_recall(both, 0), random_recall(one_event(7, 1, 3), 0));
  EXPECT_EQ(random_recall(both, 1), random_recall(one, 0));
}

}  // namespace
}  // namespace bt
