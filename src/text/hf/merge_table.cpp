#include "merge_table.h"

#include <bit>

namespace bt::hf {

MergeTable::MergeTable(size_t merges)
    : slots_(std::bit_ceil(2 * merges + 2)), shift_(64 - std::countr_zero(slots_.size())) {}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = key_of(left, right);
  slots_[place_of(key)] = {key, merge};
}

}  // namespace bt::hf
