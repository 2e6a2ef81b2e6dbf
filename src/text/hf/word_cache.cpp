#include "word_cache.h"

#include <algorithm>
#include <utility>

#include "hash.h"

namespace bt::hf {
namespace {

constexpr size_t kFewestSlots = size_t{1} << 9, kMostSlots = size_t{1} << 16, kMostBytes = size_t{4} << 20;

}  // namespace

WordCache::WordCache() : slots_(kFewestSlots) {}

std::string_view WordCache::word_of(const Slot& slot) const {
  return std::string_view(words_).substr(slot.word_begin, slot.word_size);
}

size_t WordCache::place_of(std::string_view word, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at].word_size != 0; at = (at + 1) & mask) {
    if (slots_[at].tag == tag && word_of(slots_[at]) == word) break;
  }
  return at;
}

std::optional<std::span<const int32_t>> WordCache::find(std::string_view word) const {
  const Slot& slot = slots_[place_of(word, hash_bytes(word))];
  if (slot.word_size == 0) return std::nullopt;
  return std::span<const int32_t>(ids_).subspan(slot.ids_begin, slot.ids_size);
}

void WordCache::add(std::string_view word, std::span<const int32_t> ids) {
  if (word.empty() || word.size() > kLongestWord) return;
  if (words_.size() > kMostBytes || used_ == kMostSlots / 2) clear();
  if (used_ == slots_.size() / 2) grow();
  const uint64_t hash = hash_bytes(word);
  slots_[place_of(word, hash)] = {.tag = static_cast<uint32_t>(hash >> 32),
                                  .word_begin = static_cast<uint32_t>(words_.size()),
                                  .ids_begin = static_cast<uint32_t>(ids_.size()),
                                  .word_size = static_cast<uint16_t>(word.size()),
                                  .ids_size = static_cast<uint16_t>(ids.size())};
  words_ += word;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ++used_;
}

void WordCache::grow() {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : before) {
    if (slot.word_size != 0) slots_[place_of(word_of(slot), hash_bytes(word_of(slot)))] = slot;
  }
}

void WordCache::clear() {
  std::fill(slots_.begin(), slots_.end(), Slot());
  words_.clear();
  ids_.clear();
  used_ = 0;
}

}  // namespace bt::hf
