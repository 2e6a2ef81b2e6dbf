// What an event made of the slots' caches takes effect: rows change in place, or new ones enter.
#include <ATen/ATen.h>

#include "boundary_event.h"
#include "decoding_state.h"
#include "to_tensor.h"

namespace bt {

void Decoding::State::append_rows(const std::vector<int64_t>& at_slots, const at::Tensor& slot_E,
                                  const Edited& edited) {
  const at::Tensor real_YEW = edited.row_YEW >= 0, count_YE = real_YEW.sum(2).cpu();
  for (size_t e = 0; e < at_slots.size(); ++e)
    check_room(at_slots[e], count_YE.select(1, static_cast<int64_t>(e)).max().item<int64_t>(), edited.layers);
  for (int64_t y = 0; y < edited.layers.size(); ++y) {
    const int64_t layer = edited.layers.begin + y;
    std::vector<int64_t>&before = appended[static_cast<size_t>(layer)], &length = rows[static_cast<size_t>(layer)];
    std::vector<int64_t> begin;
    for (const int64_t slot : at_slots) begin.push_back(before[static_cast<size_t>(slot)]);
    const at::Tensor new_EWC = (edited.u_YEWC[y] + edited.change_YEWC[y]).to(edited.u_YEWC.scalar_type());
    KvView entries = entries_of(new_EWC, decoder.config.kv_heads);
    entries.position_BT = edited.position_YEW[y];
    cache.insert_(layer, slot_E, to_tensor(begin, new_EWC.device()), entries, real_YEW[y]);
    for (size_t e = 0; e < at_slots.size(); ++e) {
      const int64_t count = count_YE[y][static_cast<int64_t>(e)].item<int64_t>();
      before[static_cast<size_t>(at_slots[e])] += count;
      length[static_cast<size_t>(at_slots[e])] += count;
    }
  }
}

void Decoding::State::land(const std::vector<int64_t>& at_slots, const Edited& edited) {
  const at::Tensor slot_E = to_tensor(at_slots, decoder.embedding.device());
  if (effects.append_rows != nullptr) return append_rows(at_slots, slot_E, edited);
  change_rows_(cache.view_in_place(edited.layers, longest(edited.layers, at_slots), slot_E), edited);
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
