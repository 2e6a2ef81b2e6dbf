#include "cache_events.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/ops/ops.h"

namespace bt {
namespace {

enum Column : int64_t { kSlot, kStepTokens, kVoters, kRingBegin, kSource, kOrdinal };

// Layers times events of a part. They fill a large GPU: with the paper's 57 rows a product has 3,648. What is made for
// each, about 1 MB in bfloat16 for Llama-3.2-1B, stays below 2 % of model and cache.
constexpr int64_t kEventsOfPart = 64;

std::vector<LayerRange> parts_of(LayerRange layers, int64_t events) {
  const int64_t most = std::max<int64_t>(1, kEventsOfPart / std::max<int64_t>(1, events));
  std::vector<LayerRange> parts;
  for (int64_t begin = layers.begin; begin < layers.end; begin += most)
    parts.push_back({begin, std::min(begin + most, layers.end)});
  return parts;
}

// Of consecutive events.
KvView sequences_of(const KvView& kv, int64_t begin, int64_t count) {
  const auto own = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, count) : x; };
  KvView out = kv;
  for (at::Tensor* x : {&out.length_B, &out.position_BT, &out.alive_BT, &out.place_B}) *x = own(*x);
  if (!kv.place_B.defined()) {
    out.k_BGTD = own(kv.k_BGTD);
    out.v_BGTD = own(kv.v_BGTD);
  }
  return out;
}

bool score_alike(const AttentionSpec& a, const AttentionSpec& b) {
  return a.scale == b.scale && a.softcap == b.softcap && a.window == b.window;
}

// The voters' attention mass over the caches, [Y E, T]. Their queries are copied a part at a time.
at::Tensor votes(const QueryRing& ring, const EventBatch& batch, const LayerRun& run, const KvView& kv) {
  const int64_t events = batch.slot_E.size(0);
  std::vector<at::Tensor> mass;
  for (const LayerRange layers : parts_of(run.layers, events)) {
    const auto of_voters = [&](const at::Tensor& x_LBR) {
      return x_LBR.narrow(0, layers.begin, layers.size())
          .index({at::indexing::Slice(), batch.slot_E.unsqueeze(1), batch.place_EV})
          .flatten(0, 1);
    };
    const at::Tensor voters = batch.voters_E.expand({layers.size(), -1}).reshape({-1});
    const KvView own = sequences_of(kv, (layers.begin - run.layers.begin) * events, layers.size() * events);
    mass.push_back(
        ops::attention_mass(of_voters(ring.q_LBRHD), of_voters(ring.lse_LBRH), voters, voters, own, run.spec));
  }
  return mass.size() == 1 ? mass.front() : at::cat(mass);
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
  const auto of_layers = [&](const at::Tensor& x_E) { return x_E.expand({layers, -1}).reshape({-1}); };
  EventRows rows;
  rows.mass_ET = votes(ring, batch, run, kv);
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

Chosen chosen_of(const KvView& kv, const EventRows& from, const ChosenRows& rows) {
  const at::Tensor row_EW = rows.rows_EW.clamp_min(0);
  const auto by_layer = [&](const at::Tensor& x_EW) { return x_EW.unflatten(0, {from.layers, -1}); };
  return {.layers = {from.layer, from.layer + from.layers},
          .kv = kv,
          .row_YEW = by_layer(rows.rows_EW),
          .kind_YEW = by_layer(rows.kind_EW),
          .position_YEW = by_layer(from.position_ET.gather(1, row_EW)),
          .mass_YEW = by_layer(from.mass_ET.gather(1, row_EW))};
}

std::vector<Chosen> in_parts(const Chosen& chosen) {
  const int64_t events = chosen.row_YEW.size(1);
  std::vector<Chosen> parts;
  for (const LayerRange layers : parts_of(chosen.layers, events)) {
    const int64_t y = layers.begin - chosen.layers.begin;
    const auto own = [&](const at::Tensor& x_YE) { return x_YE.narrow(0, y, layers.size()); };
    parts.push_back({.layers = layers,
                     .kv = sequences_of(chosen.kv, y * events, layers.size() * events),
                     .row_YEW = own(chosen.row_YEW),
                     .kind_YEW = own(chosen.kind_YEW),
                     .position_YEW = own(chosen.position_YEW),
                     .mass_YEW = own(chosen.mass_YEW)});
  }
  return parts;
}

Events events_of(const EventBatch& batch, const Chosen& chosen) {
  Events events;
  events.layer_begin = chosen.layers.begin;
  events.layer_end = chosen.layers.end;
  events.u_YEWC = ops::gather_rows(chosen.kv, chosen.row_YEW.flatten(0, 1)).unflatten(0, {chosen.layers.size(), -1});
  events.position_YEW = chosen.position_YEW;
  events.kind_YEW = chosen.kind_YEW;
  events.mass_YEW = chosen.mass_YEW;
  events.source_E = batch.source_E;
  events.ordinal_E = batch.ordinal_E;
  return events;
}

std::vector<at::Tensor> of_layers(const std::vector<at::Tensor>& parameters, LayerRange layers) {
  std::vector<at::Tensor> own;
  for (const at::Tensor& parameter : parameters) {
    const bool is_shared = parameter.size(0) == 1;
    own.push_back(is_shared ? parameter : parameter.narrow(0, layers.begin, layers.size()));
  }
  return own;
}

Edited edited(const Events& events, const Chosen& chosen, const Edit& edit) {
  return {chosen.layers, chosen.row_YEW, chosen.position_YEW, events.u_YEWC, edit.gate * edit.delta_YEWC};
}

void add_part(std::vector<Edited>& all, const Edited& part) {
  const bool goes_on =
      !all.empty() && all.back().layers.end == part.layers.begin && all.back().row_YEW.size(2) == part.row_YEW.size(2);
  if (!goes_on) return all.push_back(part);
  Edited& last = all.back();
  last.layers.end = part.layers.end;
  last.row_YEW = at::cat({last.row_YEW, part.row_YEW});
  last.position_YEW = at::cat({last.position_YEW, part.position_YEW});
  last.u_YEWC = at::cat({last.u_YEWC, part.u_YEWC});
  last.change_YEWC = at::cat({last.change_YEWC, part.change_YEWC});
}

void change_rows_(const KvView& kv, const Edited& edited) {
  ops::edit_rows_(kv, edited.row_YEW.flatten(0, 1), edited.u_YEWC.flatten(0, 1), edited.change_YEWC.flatten(0, 1),
                  at::ones({1}, edited.change_YEWC.options()));
}

}  // namespace bt
