#include "cache_events.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/ops/ops.h"

namespace bt {
namespace {

enum Column : int64_t { kSlot, kStepTokens, kVoters, kRingBegin, kSource, kOrdinal };

// Runs of layers side by side, each padded to the widest, [L, E, W, …].
at::Tensor all_layers(const std::vector<at::Tensor>& runs, const at::Scalar& fill) {
  if (runs.size() == 1) return runs.front();
  int64_t width = 0;
  for (const at::Tensor& x : runs) width = std::max(width, x.size(2));
  std::vector<at::Tensor> padded;
  for (const at::Tensor& x : runs) {
    std::vector<int64_t> pad(static_cast<size_t>(2 * (x.dim() - 2)), 0);
    pad.back() = width - x.size(2);
    padded.push_back(at::constant_pad_nd(x, pad, fill));
  }
  return at::cat(padded);
}

bool score_alike(const AttentionSpec& a, const AttentionSpec& b) {
  return a.scale == b.scale && a.softcap == b.softcap && a.window == b.window;
}

}  // namespace

void write_column(at::TensorAccessor<int64_t, 2> table, int64_t column, const SlotEvent& event) {
  table[kSlot][column] = event.slot;
  table[kStepTokens][column] = event.step_tokens;
  table[kVoters][column] = event.voters;
  table[kRingBegin][column] = event.ring_begin;
  table[kSource][column] = event.source;
  table[kOrdinal][column] = event.ordinal;
}

EventBatch event_batch(const at::Tensor& column_NE, bool every_slot, int64_t voters, int64_t ring) {
  const at::Tensor voter_V = at::arange(voters, column_NE.options());
  return {.slot_E = column_NE[kSlot],
          .step_tokens_E = column_NE[kStepTokens],
          .voters_E = column_NE[kVoters],
          .source_E = column_NE[kSource],
          .ordinal_E = column_NE[kOrdinal],
          .place_EV = (column_NE[kRingBegin].unsqueeze(1) + voter_V).remainder(ring),
          .every_slot = every_slot};
}

std::vector<LayerRun> layer_runs(const Decoder& decoder) {
  std::vector<LayerRun> runs;
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    if (runs.empty() || !score_alike(runs.back().spec, spec)) runs.push_back({{layer, layer}, spec});
    ++runs.back().layers.end;
  }
  return runs;
}

KvView event_caches(const KvCache& cache, const LayerRun& run, const EventBatch& batch, int64_t rows) {
  return batch.every_slot ? cache.view(run.layers, rows) : cache.view_in_place(run.layers, rows, batch.slot_E);
}

EventRows event_rows(const QueryRing& ring, const EventBatch& batch, const LayerRun& run, const KvView& kv) {
  const int64_t layers = run.layers.size();
  const auto of_layers = [&](const at::Tensor& x_E) { return x_E.repeat({layers}); };
  const auto votes = [&](const at::Tensor& x_LBR) {
    return x_LBR.narrow(0, run.layers.begin, layers)
        .index({at::indexing::Slice(), batch.slot_E.unsqueeze(1), batch.place_EV})
        .flatten(0, 1);
  };
  const at::Tensor voters = of_layers(batch.voters_E);
  EventRows rows;
  rows.mass_ET = ops::attention_mass(votes(ring.q_LBRHD), votes(ring.lse_LBRH), voters, voters, kv, run.spec);
  rows.k_BGTD = kv.k_BGTD;
  rows.place_E = kv.place_B;
  rows.rows_E = kv.length_B;
  rows.step_begin_E = kv.length_B - of_layers(batch.step_tokens_E);
  rows.position_ET = kv.position_BT;
  rows.source_E = of_layers(batch.source_E);
  rows.ordinal_E = of_layers(batch.ordinal_E);
  rows.layer = run.layers.begin;
  rows.layers = layers;
  rows.window = run.spec.window;
  return rows;
}

void Chosen::add(const EventRows& events, const ChosenRows& chosen, const KvView& kv) {
  const at::Tensor row_EW = chosen.rows_EW.clamp_min(0);
  const auto by_layer = [&](const at::Tensor& x_EW) { return x_EW.unflatten(0, {events.layers, -1}); };
  rows.push_back(by_layer(chosen.rows_EW));
  kinds.push_back(by_layer(chosen.kind_EW));
  entries.push_back(by_layer(ops::gather_rows(kv, chosen.rows_EW)));
  positions.push_back(by_layer(events.position_ET.gather(1, row_EW)));
  masses.push_back(by_layer(events.mass_ET.gather(1, row_EW)));
}

at::Tensor rows_of(const Chosen& chosen) { return all_layers(chosen.rows, -1); }

Events events_of(const EventBatch& batch, const Chosen& chosen) {
  Events events;
  events.u_YEWC = all_layers(chosen.entries, 0);
  events.layer_end = events.u_YEWC.size(0);
  events.position_YEW = all_layers(chosen.positions, 0);
  events.kind_YEW = all_layers(chosen.kinds, 0);
  events.mass_YEW = all_layers(chosen.masses, 0);
  events.source_E = batch.source_E;
  events.ordinal_E = batch.ordinal_E;
  return events;
}

void change_rows_(const KvCache& cache, const at::Tensor& slot_E, const Edited& edited, int64_t rows) {
  ops::edit_rows_(cache.view_in_place({0, cache.layers()}, rows, slot_E), edited.rows_YEW.flatten(0, 1),
                  edited.u_YEWC.flatten(0, 1), edited.change_YEWC.flatten(0, 1),
                  at::ones({1}, edited.change_YEWC.options()));
}

}  // namespace bt
