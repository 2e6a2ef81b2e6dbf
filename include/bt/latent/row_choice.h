// Which cache rows a rewriting method acts on: the newest of the step just written and the most attended earlier ones.
#pragma once

#include "bt/latent/effects.h"
#include "bt/options/method_options.h"

namespace bt {

// I = J ∪ R of arXiv 2505.16950: J, the recent rows (at most options.recent of the step just written, the newest kept,
// or the newest whatever their step), then R, the options.recall earlier rows of greatest attention mass (or random, or
// the newest earlier ones), ascending. Rows hidden from the next token, or evicted, are never chosen, those at
// the first positions (recall_exclude_first) never recalled; an event whose
// step is empty chooses nothing. W is the most any event of the batch needs, rows that are never recalled included.
// Ours: recall_share takes the fewest rows that hold a share of the mass, recall_diversity chooses greedily for mass
// and unlike keys (k rounds over T rows).
ChosenRows choose_rows(const EventRows& events, const RowChoiceOptions& options);
// The events' own keys, [E, G, T, D]: a copy where they lie in places.
at::Tensor keys_EGTD(const EventRows& events);
// The layer of event e of a batch.
int64_t layer_of(const EventRows& events, int64_t e);
// As Rewrite::is_recordable; random numbers come from the host.
bool is_recordable(const RowChoiceOptions& options);

}  // namespace bt
