// Boundary events in decoding: the slots that fired, all layers at once.
#include <ATen/ATen.h>

#include <algorithm>

#include "boundary_event.h"
#include "bt/ops/ops.h"
#include "bt/runtime/method_plan.h"
#include "decoding_state.h"
#include "to_tensor.h"

namespace bt {
namespace {

// The slots of one batch of events and the queries that vote there.
struct Firing {
  std::vector<int64_t> slots, step_tokens;
  at::Tensor slot_E, step_tokens_E, voters_E, source_E, ordinal_E;
  at::Tensor ring_EV;  // ring place of every voter, oldest first; padding repeats place 0
};

Firing make_firing(const Decoding::State& state, const std::vector<int64_t>& slots) {
  Firing firing;
  firing.slots = slots;
  std::vector<int64_t> step, voters, source, ordinal, ring;
  int64_t most = 0;
  for (const int64_t at : slots) {
    const Slot& slot = state.slots[static_cast<size_t>(at)];
    const int64_t begin =
        step_begin(slot.previous_cut, slot.tokens, static_cast<int64_t>(slot.request.prompt.size()), state.trigger);
    step.push_back(slot.tokens - begin);
    voters.push_back(std::min({state.ring, step.back(), slot.step_tokens}));
    source.push_back(static_cast<int64_t>(slot.request.id));
    ordinal.push_back(slot.events);
    most = std::max(most, voters.back());
  }
  for (size_t e = 0; e < slots.size(); ++e) {
    const Slot& slot = state.slots[static_cast<size_t>(slots[e])];
    for (int64_t v = 0; v < most; ++v)
      ring.push_back(v < voters[e] ? (slot.step_tokens - voters[e] + v) % state.ring : 0);
  }
  const at::Device device = state.decoder.embedding.device();
  firing.slot_E = to_tensor(slots, device);
  firing.step_tokens_E = to_tensor(step, device);
  firing.step_tokens = std::move(step);
  firing.voters_E = to_tensor(voters, device);
  firing.source_E = to_tensor(source, device);
  firing.ordinal_E = to_tensor(ordinal, device);
  firing.ring_EV = to_tensor(ring, device).view({static_cast<int64_t>(slots.size()), most});
  return firing;
}

EventRows event_rows(const Decoding::State& state, const Firing& firing, int64_t layer, const KvView& kv) {
  const at::Tensor slot_E1 = firing.slot_E.unsqueeze(1);
  const at::Tensor q_EVHD = state.kept.q_LBRHD[layer].index({slot_E1, firing.ring_EV});
  const at::Tensor lse_EVH = state.kept.lse_LBRH[layer].index({slot_E1, firing.ring_EV});
  const AttentionSpec spec = state.decoder.attention(layer);
  EventRows rows;
  rows.mass_ET = ops::attention_mass(q_EVHD, lse_EVH, firing.voters_E, firing.voters_E, kv, spec);
  rows.k_EGTD = kv.k_BGTD;
  rows.rows_E = kv.length_B;
  rows.step_begin_E = kv.length_B - firing.step_tokens_E;
  rows.position_ET = kv.position_BT;
  rows.source_E = firing.source_E;
  rows.ordinal_E = firing.ordinal_E;
  rows.layer = layer;
  rows.window = spec.window;
  for (size_t e = 0; e < firing.slots.size(); ++e) {
    const auto slot = static_cast<size_t>(firing.slots[e]);
    rows.bounds_E.push_back({state.rows[static_cast<size_t>(layer)][slot], firing.step_tokens[e]});
  }
  return rows;
}

at::Tensor stack_padded(const std::vector<at::Tensor>& layers, const at::Scalar& fill) {
  int64_t width = 0;
  for (const at::Tensor& x : layers) width = std::max(width, x.size(1));
  std::vector<at::Tensor> padded;
  for (const at::Tensor& x : layers) {
    std::vector<int64_t> pad(static_cast<size_t>(2 * (x.dim() - 1)), 0);
    pad.back() = width - x.size(1);
    padded.push_back(at::constant_pad_nd(x, pad, fill));
  }
  return at::stack(padded);
}

// Which of the slots a method that learns when to act acted on, in any layer; all for the others.
std::vector<bool> acted_on(const Edit& edit, size_t slots) {
  if (!edit.call_YE.defined()) return std::vector<bool>(slots, true);
  const at::Tensor acts_E = (edit.call_YE > 0).any(0).cpu();
  std::vector<bool> out;
  for (size_t e = 0; e < slots; ++e) out.push_back(acts_E[static_cast<int64_t>(e)].item<bool>());
  return out;
}

// By layer: the chosen rows, and what of their entries an edit reads.
struct Chosen {
  std::vector<at::Tensor> rows, kinds, entries, positions, masses;
};

void choose(const Decoding::State& state, const EventRows& rows, const KvView& kv, Chosen& out) {
  const ChosenRows chosen = state.effects.edits()->choose(rows);
  const at::Tensor row_EW = chosen.rows_EW.clamp_min(0);
  out.rows.push_back(chosen.rows_EW);
  out.kinds.push_back(chosen.kind_EW);
  out.entries.push_back(ops::gather_rows(kv, chosen.rows_EW));
  out.positions.push_back(rows.position_ET.gather(1, row_EW));
  out.masses.push_back(rows.mass_ET.gather(1, row_EW));
}

Events events_of(const Firing& firing, const Chosen& chosen) {
  Events events;
  events.layer_end = static_cast<int64_t>(chosen.rows.size());
  events.u_YEWC = stack_padded(chosen.entries, 0);
  events.position_YEW = stack_padded(chosen.positions, 0);
  events.kind_YEW = stack_padded(chosen.kinds, 0);
  events.mass_YEW = stack_padded(chosen.masses, 0);
  events.source_E = firing.source_E;
  events.ordinal_E = firing.ordinal_E;
  return events;
}

// Keeps the slots' parts until they land.
void keep_pending(Decoding::State& state, const std::vector<int64_t>& slots, const Edited& edited) {
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = state.slots[static_cast<size_t>(slots[i])];
    const auto own = [&](const at::Tensor& x_YE) { return x_YE.narrow(1, static_cast<int64_t>(i), 1).clone(); };
    slot.pending_edit = {{own(edited.rows_YEW), own(edited.position_YEW), own(edited.u_YEWC), own(edited.change_YEWC)},
                         slot.tokens};
  }
}

std::vector<bool> edit(Decoding::State& state, const Firing& firing, const Chosen& chosen) {
  const Events events = events_of(firing, chosen);
  const Edit made = state.effects.edits()->edit(events, state.parameters);
  const Edited edited{stack_padded(chosen.rows, -1), events.position_YEW, events.u_YEWC, made.gate * made.delta_YEWC};
  if (state.trigger.lag > 0)
    keep_pending(state, firing.slots, edited);
  else
    state.land(firing.slots, edited);
  return acted_on(made, firing.slots.size());
}

void evict(Decoding::State& state, const Firing& firing, const std::vector<at::Tensor>& keep_LET) {
  for (int64_t layer = 0; layer < state.cache.layers(); ++layer) {
    state.cache.compact_(layer, firing.slot_E, keep_LET[static_cast<size_t>(layer)]);
    const at::Tensor length = state.cache.length_LB()[layer].cpu();
    for (const int64_t slot : firing.slots)
      state.rows[static_cast<size_t>(layer)][static_cast<size_t>(slot)] = length[slot].item<int64_t>();
  }
}

// What is edited and what goes are both judged on the cache as the step left it.
std::vector<bool> act_on_cache(Decoding::State& state, const Firing& firing) {
  Chosen chosen;
  std::vector<bool> acted(firing.slots.size(), true);
  std::vector<at::Tensor> keep;
  for (int64_t layer = 0; layer < state.cache.layers(); ++layer) {
    const KvView kv = state.cache.view(layer, state.longest(layer, firing.slots), firing.slot_E);
    const EventRows rows = event_rows(state, firing, layer, kv);
    if (state.effects.evict != nullptr) keep.push_back(state.effects.evict->keep(rows));
    if (state.effects.edits() != nullptr) choose(state, rows, kv, chosen);
  }
  if (state.effects.edits() != nullptr) acted = edit(state, firing, chosen);
  if (state.effects.evict != nullptr) evict(state, firing, keep);
  return acted;
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
    kept.q_LBRHD = at::zeros({config.layers, shape.slots, ring, config.heads, config.head_dim}, options);
    kept.lse_LBRH = at::zeros({config.layers, shape.slots, ring, config.heads}, options.dtype(lse_type));
  }
  const ParameterStore* store = method != nullptr ? method->parameters() : nullptr;
  if (store != nullptr) parameters = store->stacked();
  if (effects.append != nullptr && effects.append->kind() == AppendKind::known) latents_MC = known_latents(*this);
  const bool fixed = shape.fixed_steps || decoder.embedding.is_cuda();
  if (fixed && effects.steer == nullptr && !keeps_hidden(method)) token_step.emplace(decoder, cache, kept);
}

int64_t Decoding::State::longest(int64_t layer, const std::vector<int64_t>& at_slots) const {
  int64_t most = 0;
  for (const int64_t at : at_slots) most = std::max(most, rows[static_cast<size_t>(layer)][static_cast<size_t>(at)]);
  return most;
}

void Decoding::State::act(const std::vector<int64_t>& fired) {
  const std::vector<int64_t> at_slots = called(*this, fired);
  if (at_slots.empty()) return;
  std::vector<bool> acted(at_slots.size(), true);
  if (ring > 0) acted = act_on_cache(*this, make_firing(*this, at_slots));
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
