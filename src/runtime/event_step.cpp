#include "event_step.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace bt {
namespace {

at::Tensor idle_table(int64_t slots) {
  at::Tensor idle_NB = at::empty({kEventNumbers, slots}, at::kLong);
  for (int64_t slot = 0; slot < slots; ++slot) write_column(idle_NB.accessor<int64_t, 2>(), slot, {.slot = slot});
  return idle_NB;
}

int64_t event_bucket(size_t events, int64_t slots) {
  return std::min(static_cast<int64_t>(std::bit_ceil(events)), slots);
}

// One column a slot, no slot twice: those that fire before the others, or in order where all have a column.
std::vector<SlotEvent> columns_of(const std::vector<SlotEvent>& events, int64_t slots, int64_t columns) {
  std::vector<SlotEvent> of_slot(static_cast<size_t>(slots));
  for (int64_t slot = 0; slot < slots; ++slot) of_slot[static_cast<size_t>(slot)].slot = slot;
  for (const SlotEvent& event : events) of_slot[static_cast<size_t>(event.slot)] = event;
  if (columns < slots)
    std::stable_partition(of_slot.begin(), of_slot.end(), [](const SlotEvent& e) { return e.step_tokens > 0; });
  of_slot.resize(static_cast<size_t>(columns));
  return of_slot;
}

}  // namespace

EventStep::EventStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring, const Rewrite& rewrite,
                     std::vector<at::Tensor> parameters)
    : cache_(cache),
      ring_(ring),
      rewrite_(rewrite),
      parameters_(std::move(parameters)),
      runs_(layer_runs(decoder)),
      step_(idle_table(cache.slots()), decoder.embedding.device()) {}

void EventStep::run(const std::vector<SlotEvent>& events, int64_t rows) {
  const int64_t bucket = event_bucket(events.size(), cache_.slots()), row_count = row_bucket(rows, cache_.capacity());
  auto table = step_.table();
  int64_t column = 0;
  for (const SlotEvent& event : columns_of(events, cache_.slots(), bucket)) write_column(table, column++, event);
  step_.run({bucket, row_count}, [this, bucket, row_count] { work(bucket, row_count); });
}

void EventStep::work(int64_t events, int64_t rows) {
  const int64_t ring = ring_.q_LBRHD.size(2) - 1;
  const EventBatch batch =
      event_batch(step_.input_NB().narrow(1, 0, events), events == cache_.slots(), /*voters=*/ring, ring);
  for (const LayerRun& run : runs_) {
    const KvView kv = event_caches(cache_, run, batch, rows);
    EventRows at_run = event_rows(ring_, batch, run, kv);
    at_run.rows_E = at_run.rows_E.clamp_max(rows);  // an idle slot may hold more, and nothing is chosen there
    at_run.bounds_E = {{rows, rows}, {rows, 0}};    // whatever a step's length
    for (const Chosen& part : in_parts(chosen_of(kv, at_run, rewrite_.choose(at_run)))) {
      const Events made_of = events_of(batch, part);
      change_rows_(part.kv, edited(made_of, part, rewrite_.edit(made_of, of_layers(parameters_, part.layers))));
    }
  }
}

}  // namespace bt
