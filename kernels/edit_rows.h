// Chosen rows of caches changed in place: all events and all their slots in one launch.
#pragma once

#include "kernels/cache_rows.h"

namespace bt::kernels {

// What edit_rows puts: u + gate * delta, product and sum rounded to fp32, the result to the cache's type.
struct RowEdit {
  const void *u, *delta;  // entries
  const float* gate;      // read at event * by_event + slot * by_slot + element * by_element
  int64_t gate_by_event, gate_by_slot;
  int gate_by_element;            // 0 or 1
  Element cache_type;             // CacheRows::element_bytes is its size
  bool u_is_fp32, delta_is_fp32;  // else they are of the cache's type
};

// The chosen rows = u + gate * delta, in place. No row of an event may be chosen twice.
// Cost: reads u and delta once, writes the rows once; a gate with an axis of elements is read through the L2 cache.
void edit_rows(const CacheRows& to, const RowEdit& edit, Stream stream);

}  // namespace bt::kernels
