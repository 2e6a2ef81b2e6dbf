#include "word_cache.h"

#include <algorithm>

#include "hash.h"

namespace bt::hf {
namespace {

constexpr size_t kSlots = size_t{1} << 16, kMostWords = kSlots / 2, kMostBytes = size_t{4} << 20;

}  // namespace

WordCache::WordCache() : slots_(kSlots) {}

size_t WordCache::place_of(std::string_view word, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & (kSlots - 1);
  for (; slots_[at].word_size != 0; at = (at + 1) & (kSlots - 1)) {
    const Slot& slot = slots_[at];
    if (slot.tag == tag && std::string_view(words_).substr(slot.word_begin, slot.word_size) == word) break;
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
  if (used_ == kMostWords || words_.size() > kMostBytes) clear();
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

void WordCache::clear() {
  std::fill(slots_.begin(), slots_.end(), Slot());
  words_.clear();
  ids_.clear();
  used_ = 0;
}

}  // namespace bt::hf
