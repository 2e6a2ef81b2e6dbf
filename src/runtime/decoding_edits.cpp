// What an event made of the slots' caches takes effect: rows change in place, or new ones enter.
#include <ATen/ATen.h>

#include "boundary_event.h"
#include "decoding_state.h"
#include "to_tensor.h"

namespace bt {
namespace {

void rewrite(Decoding::State& state, const std::vector<int64_t>& slots, const at::Tensor& slot_E,
             const Edited& edited) {
  change_rows_(state.cache.view_in_place(edited.layers, state.longest(edited.layers, slots), slot_E), edited);
}

void append_rows(Decoding::State& state, const std::vector<int64_t>& slots, const at::Tensor& slot_E,
                 const Edited& edited) {
  const at::Tensor real_YEW = edited.row_YEW >= 0, count_YE = real_YEW.sum(2).cpu();
  for (size_t e = 0; e < slots.size(); ++e)
    state.check_room(slots[e], count_YE.select(1, static_cast<int64_t>(e)).max().item<int64_t>());
  for (int64_t y = 0; y < edited.layers.size(); ++y) {
    const int64_t layer = edited.layers.begin + y;
    std::vector<int64_t>& appended = state.appended[static_cast<size_t>(layer)];
    std::vector<int64_t> begin;
    for (const int64_t slot : slots) begin.push_back(appended[static_cast<size_t>(slot)]);
    const at::Tensor new_EWC = (edited.u_YEWC[y] + edited.change_YEWC[y]).to(edited.u_YEWC.scalar_type());
    KvView entries = entries_of(new_EWC, state.decoder.config.kv_heads);
    entries.position_BT = edited.position_YEW[y];
    state.cache.insert_(layer, slot_E, to_tensor(begin, new_EWC.device()), entries, real_YEW[y]);
    for (size_t e = 0; e < slots.size(); ++e) {
      const auto slot = static_cast<size_t>(slots[e]);
      const int64_t count = count_YE[y][static_cast<int64_t>(e)].item<int64_t>();
      appended[slot] += count;
      state.rows[static_cast<size_t>(layer)][slot] += count;
    }
  }
}

}  // namespace

void Decoding::State::land(const std::vector<int64_t>& at_slots, const Edited& edited) {
  const auto effect = effects.append_rows != nullptr ? append_rows : rewrite;
  effect(*this, at_slots, to_tensor(at_slots, decoder.embedding.device()), edited);
}

void Decoding::State::land_edits() {
  if (trigger.lag == 0) return;
  for (size_t at = 0; at < slots.size(); ++at) {
    Slot& slot = slots[at];
    if (!slot.live || !slot.pending_edit || slot.tokens - slot.pending_edit->begin < trigger.lag) continue;
    const std::vector<int64_t> own{static_cast<int64_t>(at)};
    for (const Edited& edited : slot.pending_edit->edited) land(own, edited);
    slot.pending_edit.reset();
    slot.step_tokens = 0;  // queries before it saw other keys: they vote no more
  }
}

}  // namespace bt
