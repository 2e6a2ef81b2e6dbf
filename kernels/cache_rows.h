// Chosen rows of caches, gathered or written: all events and all their slots in one launch.
//
// An entry is a row of the keys and one of the values, all heads side by side: [2, groups * width] elements. Entries
// are contiguous: [events, slots, 2, groups * width]. Heads are contiguous too; everything else of a cache is strided.
// A warp moves one half of an entry, in packs of 16 bytes where addresses, strides and widths are multiples of them.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

struct CacheRows {
  struct Part {
    void* data;                             // [sequences, groups, rows, width]
    int64_t by_sequence, by_group, by_row;  // strides in elements
  };
  Part k, v;
  const int64_t* chosen;  // [events, slots]: rows, below 0 none. A row that is not there ends the context with an error
  const int64_t* place;   // [events]: the sequence of an event; null: that of its number
  int64_t sequences, rows;
  int events, slots, groups, width;  // 2 * events * slots and 2 * groups * width fit 31 bits
  int element_bytes;                 // 2, or a multiple of 4
};

// entries = the chosen rows, zeros for none. The cache is only read.
// Cost: reads the rows once, writes the entries once.
void gather_rows(const CacheRows& from, void* entries, Stream stream);

// The chosen rows = entries, or zeros where `entries` is null. No row of an event may be chosen twice.
// Cost: reads the entries once, writes the rows once.
void put_rows(const CacheRows& to, const void* entries, Stream stream);

}  // namespace bt::kernels
