// Events of the decode engine that change cached rows: what an event reads, chooses and makes.
//
// Axes: L layers, Y layers of a run or of a part of it, B slots, E events, V voters, W chosen rows, T cached rows, C =
// 2 G D.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bt/latent/effects.h"
#include "bt/model/kv_cache.h"
#include "token_step.h"

namespace bt {

// What the host says of one event; a column of the table that the device gets.
struct SlotEvent {
  int64_t slot = 0;
  int64_t step_tokens = 0;          // of the step that it closes; 0: nothing is chosen
  int64_t voters = 0;               // the newest of that step's queries
  int64_t ring_begin = 0;           // place of the first voter
  int64_t source = 0, ordinal = 0;  // as in EventRows
};
inline constexpr int64_t kEventNumbers = 6;
void write_column(at::TensorAccessor<int64_t, 2> table, int64_t column, const SlotEvent& event);

// Events of different slots, on the device; int64.
struct EventBatch {
  at::Tensor slot_E, step_tokens_E, voters_E, source_E, ordinal_E;
  at::Tensor place_EV;      // of every voter in the ring, oldest first; anything behind the last
  bool every_slot = false;  // event e is slot e's, and there is no other slot: nothing need be copied
};
// Of columns [kEventNumbers, E], for at most `voters` voters.
EventBatch event_batch(const at::Tensor& column_NE, bool every_slot, int64_t voters, int64_t ring);

// Consecutive layers that score alike: one call of an operator serves them all.
struct LayerRun {
  LayerRange layers;
  AttentionSpec spec;
};
std::vector<LayerRun> layer_runs(const Decoder& decoder);

// The events' caches in layers of a run, [Y E, G, T, D], keys and values where they are.
KvView event_caches(const KvCache& cache, const LayerRun& run, const EventBatch& batch, int64_t rows);
// What is chosen from there, bounds excepted.
EventRows event_rows(const QueryRing& ring, const EventBatch& batch, const LayerRun& run, const KvView& kv);

// Rows chosen in some layers, and the caches that they lie in.
struct Chosen {
  LayerRange layers;
  KvView kv;  // the events', layer by layer
  at::Tensor row_YEW, kind_YEW, position_YEW, mass_YEW;
};
Chosen chosen_of(const KvView& kv, const EventRows& from, const ChosenRows& rows);
// The same, a few layers at a time: what an edit makes on its way grows with layers times events.
std::vector<Chosen> in_parts(const Chosen& chosen);
Events events_of(const EventBatch& batch, const Chosen& chosen);
// A method's stacked parameters, of some layers.
std::vector<at::Tensor> of_layers(const std::vector<at::Tensor>& parameters, LayerRange layers);

// What a method made at an event in some layers: the rows it read, their entries, and the changes to them.
struct Edited {
  LayerRange layers;
  at::Tensor row_YEW, position_YEW, u_YEWC, change_YEWC;  // row -1 where padded
};
Edited edited(const Events& events, const Chosen& chosen, const Edit& edit);
// Puts a part behind those before it: into the last one, where its layers and width go on.
void add_part(std::vector<Edited>& all, const Edited& part);
// Changes the rows in place. kv: the events' caches in those layers.
void change_rows_(const KvView& kv, const Edited& edited);

}  // namespace bt
