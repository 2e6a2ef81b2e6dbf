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
  std::vector<int64_t> slots;
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
  firing.voters_E = to_tensor(voters, device);
  firing.source_E = to_tensor(source, device);
  firing.ordinal_E = to_tensor(ordinal, device);
  firing.ring_EV = to_tensor(ring, device).view({static_cast<int64_t>(slots.size()), most});
  return firing;
}

EventRows event_rows(const Decoding::State& state, const Firing& firing, int64_t layer, const KvView& kv) {
  const at::Tensor slot_E1 = firing.slot_E.unsqueeze(1);
  const at::Tensor q_EVHD = state.ring_q_LBRHD[layer].index({slot_E1, firing.ring_EV});
  const at::Tensor lse_EVH = state.ring_lse_LBRH[layer].index({slot_E1, firing.ring_EV});
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

// x_EW… at the firing slots of all slots; the others hold `fill`.
at::Tensor spread(const Decoding::State& state, const Firing& firing, const at::Tensor& x, const at::Scalar& fill) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = state.cache.slots();
  return at::full(shape, fill, x.options()).index_copy_(0, firing.slot_E, x);
}

void rewrite(Decoding::State& state, const Firing& firing) {
  const int64_t layers = state.cache.layers();
  std::vector<at::Tensor> rows, kinds, entries, positions;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const KvView kv = state.cache.view(layer, state.longest(layer, firing.slots), firing.slot_E);
    const ChosenRows chosen = state.effects.rewrite->choose(event_rows(state, firing, layer, kv));
    rows.push_back(chosen.rows_EW);
    kinds.push_back(chosen.kind_EW);
    entries.push_back(ops::gather_rows(kv, chosen.rows_EW));
    positions.push_back(kv.position_BT.gather(1, chosen.rows_EW.clamp_min(0)));
  }
  Events events;
  events.layer_end = layers;
  events.u_YEWC = stack_padded(entries, 0);
  events.position_YEW = stack_padded(positions, 0);
  events.kind_YEW = stack_padded(kinds, 0);
  events.source_E = firing.source_E;
  events.ordinal_E = firing.ordinal_E;
  const Edit edit = state.effects.rewrite->edit(events, state.parameters);
  const at::Tensor rows_YEW = stack_padded(rows, -1), change_YEWC = edit.gate * edit.delta_YEWC;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const KvView kv = state.cache.view(layer, state.longest(layer, firing.slots));
    ops::edit_rows_(kv, spread(state, firing, rows_YEW[layer], -1), spread(state, firing, events.u_YEWC[layer], 0),
                    spread(state, firing, change_YEWC[layer], 0), at::ones({1}, change_YEWC.options()));
  }
}

void evict(Decoding::State& state, const Firing& firing) {
  for (int64_t layer = 0; layer < state.cache.layers(); ++layer) {
    const KvView kv = state.cache.view(layer, state.longest(layer, firing.slots), firing.slot_E);
    state.cache.compact_(layer, firing.slot_E, state.effects.evict->keep(event_rows(state, firing, layer, kv)));
    const at::Tensor length = state.cache.length_LB()[layer].cpu();
    for (const int64_t slot : firing.slots)
      state.rows[static_cast<size_t>(layer)][static_cast<size_t>(slot)] = length[slot].item<int64_t>();
  }
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
      eos_ids(std::move(eos_in)),
      choose(std::move(choose_in)),
      cache(decoder.config, shape.slots, shape.capacity, decoder.options()),
      slots(static_cast<size_t>(shape.slots)),
      rows(static_cast<size_t>(decoder.config.layers), std::vector<int64_t>(static_cast<size_t>(shape.slots), 0)),
      ring(voters_of(effects)) {
  const ModelConfig& config = decoder.config;
  const auto options = decoder.options().requires_grad(false);
  const auto lse_type = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  if (ring > 0) {
    ring_q_LBRHD = at::zeros({config.layers, shape.slots, ring, config.heads, config.head_dim}, options);
    ring_lse_LBRH = at::zeros({config.layers, shape.slots, ring, config.heads}, options.dtype(lse_type));
  }
  const ParameterStore* store = method != nullptr ? method->parameters() : nullptr;
  if (store != nullptr) parameters = store->stacked();
  if (effects.append != nullptr && effects.append->kind() == AppendKind::known) latents_MC = known_latents(*this);
}

int64_t Decoding::State::longest(int64_t layer, const std::vector<int64_t>& at_slots) const {
  int64_t most = 0;
  for (const int64_t at : at_slots) most = std::max(most, rows[static_cast<size_t>(layer)][static_cast<size_t>(at)]);
  return most;
}

void Decoding::State::act(const std::vector<int64_t>& at_slots) {
  if (at_slots.empty()) return;
  if (ring > 0) {
    const Firing firing = make_firing(*this, at_slots);
    if (effects.rewrite != nullptr) rewrite(*this, firing);
    if (effects.evict != nullptr) evict(*this, firing);
  }
  for (const int64_t at : at_slots) {
    Slot& slot = slots[static_cast<size_t>(at)];
    slot.boundaries.push_back(slot.tokens);
    slot.previous_cut = slot.tokens;
    slot.step_tokens = 0;
    ++slot.events;
  }
  if (effects.append != nullptr) append_latents(at_slots);
}

}  // namespace bt
