// Which neighbouring tokens merge into which, and in what order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bt::hf {

struct Merge {
  uint32_t rank;  // lower ranks merge first
  int32_t id;     // of the token that the pair becomes
};

// A flat hash table of pairs; 16 bytes a slot, at most half full.
class MergeTable {
 public:
  explicit MergeTable(size_t merges);

  // Precondition: at most as many pairs as announced. A pair set again takes the later merge.
  void set(int32_t left, int32_t right, Merge merge);
  const Merge* find(int32_t left, int32_t right) const {  // nullptr: they do not merge
    const Slot& slot = slots_[place_of(key_of(left, right))];
    return slot.key == kFree ? nullptr : &slot.merge;
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};  // no pair of non-negative ids
  struct Slot {
    uint64_t key = kFree;
    Merge merge{};
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t place_of(uint64_t key) const {
    size_t at = (key * 0x9E3779B97F4A7C15) >> shift_;
    while (slots_[at].key != key && slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  std::vector<Slot> slots_;
  int shift_;
};

}  // namespace bt::hf
