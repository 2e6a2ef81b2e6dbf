// Latents in decoding: known embeddings, or computed from a slot's cache, in step with decoding or beside it.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>

#include "bt/runtime/method_plan.h"
#include "decoding_state.h"
#include "side_stream.h"
#include "to_tensor.h"

namespace bt {
namespace {

// The slots' caches as they stand, copied.
PrefixCache prefix_of(const Decoding::State& state, const std::vector<int64_t>& at_slots) {
  const at::Device device = state.decoder.embedding.device();
  const at::Tensor slot_E = to_tensor(at_slots, device);
  std::vector<int64_t> end, position;
  for (const int64_t at : at_slots) {
    end.push_back(state.rows[0][static_cast<size_t>(at)]);
    position.push_back(state.slots[static_cast<size_t>(at)].position);
  }
  PrefixCache prefix;
  for (int64_t layer = 0; layer < state.cache.layers(); ++layer)
    prefix.layers.push_back(
        state.cache.view(layer, std::max<int64_t>(1, state.longest({layer, layer + 1}, at_slots)), slot_E));
  prefix.sequence_R = at::arange(slot_E.size(0), at::kLong);
  prefix.end_R = at::tensor(end, at::kLong);
  prefix.position_R = to_tensor(position, device);
  return prefix;
}

// Starts a thread for one slot. It reads copies and weights alone.
PendingLatents start(const Decoding::State& state, int64_t slot) {
  const PrefixCache prefix = prefix_of(state, {slot});
  const SideStream beside(state.decoder.embedding.device());
  const auto compute = [&decoder = state.decoder, append = state.effects.append, prefix, beside] {
    const at::NoGradGuard no_grad;
    return beside.run([&] { return append->latents_RMK(decoder, prefix).squeeze(0); });
  };
  return {std::async(std::launch::async, compute), state.slots[static_cast<size_t>(slot)].tokens};
}

std::vector<at::Tensor> shared_parameters(const Decoding::State& state) {
  std::vector<at::Tensor> shared = state.method->parameters()->shared_leaves();
  for (at::Tensor& leaf : shared) leaf = leaf.detach();
  return shared;
}

std::vector<int64_t> pending_of(const Decoding::State& state, const std::vector<int64_t>& at_slots) {
  std::vector<int64_t> pending = at_slots;
  std::erase_if(pending, [&](int64_t at) { return !state.slots[static_cast<size_t>(at)].pending; });
  return pending;
}

bool is_due(const Slot& slot, const Joining& joining) {
  if (joining.after >= 0) return slot.tokens - slot.pending->begin >= joining.after;
  return slot.pending->latents_MK.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

at::Tensor known_latents(const Decoding::State& state) {
  return state.effects.append->embeddings_MK(shared_parameters(state)).to(state.decoder.embedding.scalar_type());
}

void Decoding::State::append_latents(const std::vector<int64_t>& at_slots) {
  const Append& append = *effects.append;
  if (append.kind() == AppendKind::recurrent) return roll_out(at_slots);
  if (append.kind() == AppendKind::known) return feed_latents(at_slots);
  if (joining.asynchronous) {
    join(pending_of(*this, at_slots));  // one boundary after the other
    for (const int64_t at : at_slots) slots[static_cast<size_t>(at)].pending = start(*this, at);
    return;
  }
  latents_MC = append.latents_RMK(decoder, prefix_of(*this, at_slots)).flatten(0, 1);
  feed_latents(at_slots);
}

// One latent after the other, for all of the slots together.
void Decoding::State::roll_out(const std::vector<int64_t>& at_slots) {
  const std::vector<at::Tensor> shared = shared_parameters(*this);
  for (int64_t m = 0; m < effects.append->count(); ++m) {
    std::vector<at::Tensor> hidden;
    std::vector<Chunk> latents;
    for (size_t e = 0; e < at_slots.size(); ++e) {
      hidden.push_back(slots[static_cast<size_t>(at_slots[e])].hidden_K);
      latents.push_back({at_slots[e], {-1 - static_cast<int32_t>(e)}, false});
    }
    latents_MC = effects.append->latent_RK(at::stack(hidden), shared).to(decoder.embedding.scalar_type());
    feed(latents);
  }
}

void Decoding::State::join_latents() {
  if (!joining.asynchronous) return;
  std::vector<int64_t> due;
  for (size_t at = 0; at < slots.size(); ++at) {
    const Slot& slot = slots[at];
    if (slot.live && slot.pending && is_due(slot, joining)) due.push_back(static_cast<int64_t>(at));
  }
  join(due);
}

void Decoding::State::join(const std::vector<int64_t>& at_slots) {
  if (at_slots.empty()) return;
  std::vector<at::Tensor> latents;
  for (const int64_t at : at_slots) {
    Slot& slot = slots[static_cast<size_t>(at)];
    latents.push_back(slot.pending->latents_MK.get());
    slot.pending.reset();
  }
  latents_MC = at::cat(latents);
  feed_latents(at_slots);
}

void Decoding::State::feed_latents(const std::vector<int64_t>& at_slots) {
  const Append& append = *effects.append;
  const bool from_cache = appends_from_cache(method);
  latents_MC = latents_MC.to(decoder.embedding.scalar_type());
  std::vector<Chunk> latents;
  for (size_t e = 0; e < at_slots.size(); ++e) {
    Chunk chunk{at_slots[e], {}, false};
    const int64_t first = from_cache ? static_cast<int64_t>(e) * append.count() : 0;
    for (int64_t m = 0; m < append.count(); ++m) chunk.ids.push_back(static_cast<int32_t>(-1 - first - m));
    latents.push_back(std::move(chunk));
  }
  feed(latents);
  if (!from_cache || append.branches().shape.shifts_positions) return;
  for (const int64_t at : at_slots) slots[static_cast<size_t>(at)].position -= append.count();
}

}  // namespace bt
