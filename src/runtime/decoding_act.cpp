// Boundary events in decoding: the slots that fired, together.
#include <ATen/ATen.h>

#include <algorithm>

#include "boundary_event.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "decoding_state.h"

namespace bt {
namespace {

std::vector<SlotEvent> events_at(const Decoding::State& state, const std::vector<int64_t>& slots) {
  std::vector<SlotEvent> events;
  for (const int64_t at : slots) {
    const Slot& slot = state.slots[static_cast<size_t>(at)];
    const int64_t begin =
        step_begin(slot.previous_cut, slot.tokens, static_cast<int64_t>(slot.request.prompt.size()), state.trigger);
    const int64_t step = slot.tokens - begin, voters = std::min({state.ring, step, slot.step_tokens});
    events.push_back({.slot = at,
                      .step_tokens = step,
                      .voters = voters,
                      .ring_begin = (slot.step_tokens - voters) % state.ring,
                      .source = slot.request.source.value_or(static_cast<int64_t>(slot.request.id)),
                      .ordinal = slot.events});
  }
  return events;
}

EventBatch batch_of(const Decoding::State& state, const std::vector<int64_t>& slots,
                    const std::vector<SlotEvent>& events) {
  at::Tensor column_NE = at::empty({kEventNumbers, static_cast<int64_t>(events.size())}, at::kLong);
  int64_t column = 0, voters = 0;
  for (const SlotEvent& event : events) {
    write_column(column_NE.accessor<int64_t, 2>(), column++, event);
    voters = std::max(voters, event.voters);
  }
  return event_batch(column_NE.to(state.decoder.embedding.device()), state.are_all(slots), voters, state.ring);
}

std::vector<RowBounds> bounds_of(const Decoding::State& state, LayerRange layers,
                                 const std::vector<SlotEvent>& events) {
  std::vector<RowBounds> bounds;
  for (int64_t layer = layers.begin; layer < layers.end; ++layer) {
    const std::vector<int64_t>& rows = state.rows[static_cast<size_t>(layer)];
    for (const SlotEvent& event : events) bounds.push_back({rows[static_cast<size_t>(event.slot)], event.step_tokens});
  }
  return bounds;
}

// Which of the slots a method that learns when to act acted on, in any layer; all for the others.
std::vector<bool> acted_on(const at::Tensor& acts_E, size_t slots) {
  if (!acts_E.defined()) return std::vector<bool>(slots, true);
  const at::Tensor on_host_E = acts_E.cpu();
  std::vector<bool> out;
  for (size_t e = 0; e < slots; ++e) out.push_back(on_host_E[static_cast<int64_t>(e)].item<bool>());
  return out;
}

// Keeps the slots' own edits until they land. Parts come from the first layer on.
void keep_pending(Decoding::State& state, const std::vector<int64_t>& slots, const Edited& edited) {
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = state.slots[static_cast<size_t>(slots[i])];
    const auto own = [&](const at::Tensor& x_YE) { return x_YE.narrow(1, static_cast<int64_t>(i), 1).clone(); };
    if (edited.layers.begin == 0) slot.pending_edit = {{}, slot.tokens};
    add_part(slot.pending_edit->edited, {edited.layers, own(edited.row_YEW), own(edited.position_YEW),
                                         own(edited.u_YEWC), own(edited.change_YEWC)});
  }
}

// acts_E: where a call was made in any layer so far, of a method that learns when.
void edit(Decoding::State& state, const std::vector<int64_t>& slots, const EventBatch& batch, const Chosen& chosen,
          at::Tensor& acts_E) {
  const Events events = events_of(batch, chosen);
  const Edit made = state.effects.edits()->edit(events, of_layers(state.parameters, chosen.layers));
  const Edited changes = edited(events, chosen, made);
  if (state.trigger.lag > 0)
    keep_pending(state, slots, changes);
  else if (state.effects.append_rows != nullptr)
    state.append_rows(slots, batch.slot_E, changes);
  else
    change_rows_(chosen.kv, changes);
  if (!made.call_YE.defined()) return;
  const at::Tensor here_E = (made.call_YE > 0).any(0);
  acts_E = acts_E.defined() ? acts_E.logical_or(here_E) : here_E;
}

void evict(Decoding::State& state, const std::vector<int64_t>& slots, const EventBatch& batch,
           const std::vector<at::Tensor>& keep_LET) {
  for (int64_t layer = 0; layer < state.cache.layers(); ++layer) {
    state.cache.compact_(layer, batch.slot_E, keep_LET[static_cast<size_t>(layer)]);
    const at::Tensor length = state.cache.length_LB()[layer].cpu();
    for (const int64_t slot : slots)
      state.rows[static_cast<size_t>(layer)][static_cast<size_t>(slot)] = length[slot].item<int64_t>();
  }
}

// What is edited and what goes are both judged on the cache as the step left it.
std::vector<bool> act_on_cache(Decoding::State& state, const std::vector<int64_t>& slots) {
  const std::vector<SlotEvent> events = events_at(state, slots);
  const EventBatch batch = batch_of(state, slots, events);
  std::vector<at::Tensor> keep_LET;
  at::Tensor acts_E;
  for (const LayerRun& run : layer_runs(state.decoder)) {
    const KvView kv = event_caches(state.cache, run, batch, state.longest(run.layers, slots));
    EventRows rows = event_rows(state.kept, batch, run, kv);
    rows.bounds_E = bounds_of(state, run.layers, events);
    if (state.effects.evict != nullptr) {
      for (const at::Tensor& keep_ET : state.effects.evict->keep(rows).chunk(run.layers.size()))
        keep_LET.push_back(keep_ET);
    }
    if (state.effects.edits() == nullptr) continue;
    for (const Chosen& part : in_parts(chosen_of(kv, rows, state.effects.edits()->choose(rows))))
      edit(state, slots, batch, part, acts_E);
  }
  if (state.effects.evict != nullptr) evict(state, slots, batch, keep_LET);
  return acted_on(acts_E, slots.size());
}

// Whether an event is device work of fixed shape alone. Half of the kernels know no fp64, and what stands in for them
// waits for the device.
bool fits_event_step(const Decoding::State& state) {
  const Effects& effects = state.effects;
  const bool known = !state.decoder.embedding.is_cuda() || state.decoder.embedding.scalar_type() != at::kDouble;
  return known && state.ring > 0 && effects.rewrite != nullptr && effects.rewrite->is_recordable() &&
         effects.evict == nullptr && state.trigger.lag == 0;
}

Asks asks_of(const TriggerOptions& trigger) {
  if (!asks_model(trigger)) return Asks::nothing;
  return trigger.kind == "entropy" ? Asks::entropy : Asks::surprise;
}

// Those of the slots where the method is called, by its gate.
std::vector<int64_t> called(const Decoding::State& state, const std::vector<int64_t>& at_slots) {
  if (!is_gated(state.method) || at_slots.empty()) return at_slots;
  std::vector<at::Tensor> hidden;
  for (const int64_t at : at_slots) hidden.push_back(state.slots[static_cast<size_t>(at)].hidden_K);
  const at::Tensor logit_E = state.effects.append->gate_R(at::stack(hidden)).to(at::kDouble).cpu();
  std::vector<int64_t> open;
  for (size_t e = 0; e < at_slots.size(); ++e) {
    if (logit_E[static_cast<int64_t>(e)].item<double>() >= 0) open.push_back(at_slots[e]);
  }
  return open;
}

}  // namespace

Decoding::State::State(const Decoder& decoder_in, const Method* method_in, const BoundaryTable& table_in,
                       const TriggerOptions& trigger_in, std::vector<int32_t> eos_in, const DecodingShape& shape,
                       ChooseTokens choose_in)
    : decoder(method_in != nullptr ? method_in->attach(decoder_in) : decoder_in),
      method(method_in),
      effects(method_in != nullptr ? method_in->effects() : Effects{}),
      table(table_in),
      trigger(trigger_in),
      asks(asks_of(trigger_in)),
      eos_ids(std::move(eos_in)),
      choose(std::move(choose_in)),
      cache(decoder.config, shape.slots, shape.capacity, decoder.options()),
      slots(static_cast<size_t>(shape.slots)),
      rows(static_cast<size_t>(decoder.config.layers), std::vector<int64_t>(static_cast<size_t>(shape.slots), 0)),
      appended(rows),
      ring(voters_of(effects)) {
  const ModelConfig& config = decoder.config;
  const auto options = decoder.options().requires_grad(false);
  const auto lse_type = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  if (ring > 0) {
    kept.q_LBRHD = at::zeros({config.layers, shape.slots, ring + 1, config.heads, config.head_dim}, options);
    kept.lse_LBRH = at::zeros({config.layers, shape.slots, ring + 1, config.heads}, options.dtype(lse_type));
  }
  logits_BV = at::zeros({shape.slots, decoder.head.size(0)}, options);
  const ParameterStore* store = method != nullptr ? method->parameters() : nullptr;
  if (store != nullptr) parameters = store->stacked();
  if (effects.append != nullptr && !shape.joins_at_once) joining = effects.append->joining();
  if (effects.append != nullptr && effects.append->kind() == AppendKind::known) latents_MC = known_latents(*this);
  const bool fixed = shape.fixed_steps || decoder.embedding.is_cuda();
  if (fixed && effects.steer == nullptr && !keeps_hidden(method)) token_step.emplace(decoder, cache, kept, logits_BV);
  if (fixed && fits_event_step(*this)) event_step.emplace(decoder, cache, kept, *effects.rewrite, parameters);
}

void Decoding::State::check_room(int64_t slot, int64_t rows_added, LayerRange layers) const {
  for (int64_t layer = layers.begin; layer < layers.end; ++layer) {
    const int64_t length = rows[static_cast<size_t>(layer)][static_cast<size_t>(slot)];
    if (length + rows_added <= cache.capacity()) continue;
    fail_usage({.what = "the cache has no room for what the method has added",
                .where = str("request ", slots[static_cast<size_t>(slot)].request.id),
                .expected = str("at most ", cache.capacity(), " rows"),
                .found = str(length, " + ", rows_added),
                .next_step = "give DecodingShape::capacity room for the rows of every call"});
  }
}

int64_t Decoding::State::longest(LayerRange layers, const std::vector<int64_t>& at_slots) const {
  int64_t most = 0;
  for (int64_t layer = layers.begin; layer < layers.end; ++layer) {
    for (const int64_t at : at_slots) most = std::max(most, rows[static_cast<size_t>(layer)][static_cast<size_t>(at)]);
  }
  return most;
}

bool Decoding::State::are_all(const std::vector<int64_t>& at_slots) const {
  return at_slots.size() == slots.size() && std::is_sorted(at_slots.begin(), at_slots.end());
}

void Decoding::State::act(const std::vector<int64_t>& fired) {
  const std::vector<int64_t> at_slots = called(*this, fired);
  if (at_slots.empty()) return;
  std::vector<bool> acted(at_slots.size(), true);
  if (event_step)
    event_step->run(events_at(*this, at_slots), longest({0, cache.layers()}, at_slots));
  else if (ring > 0)
    acted = act_on_cache(*this, at_slots);
  for (size_t i = 0; i < at_slots.size(); ++i) {
    Slot& slot = slots[static_cast<size_t>(at_slots[i])];
    if (acted[i]) slot.boundaries.push_back(slot.tokens);
    slot.previous_cut = slot.tokens;
    slot.step_tokens = 0;
    ++slot.events;
  }
  if (effects.append != nullptr) append_latents(at_slots);
}

}  // namespace bt
