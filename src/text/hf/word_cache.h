// Ids of words seen before, so that a repeated word is merged once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bt::hf {

// Grows with what it holds; when it is full it forgets everything. Memory: about 8 MB at most.
class WordCache {
 public:
  WordCache();
  static constexpr size_t kLongestWord = 256;  // bytes; longer ones are not kept

  std::optional<std::span<const int32_t>> find(std::string_view word) const;  // valid until the next add
  void add(std::string_view word, std::span<const int32_t> ids);

 private:
  struct Slot {
    uint32_t tag = 0, word_begin = 0, ids_begin = 0;
    uint16_t word_size = 0, ids_size = 0;  // word_size 0: free
  };
  size_t place_of(std::string_view word, uint64_t hash) const;  // its slot, or the free one where it belongs
  std::string_view word_of(const Slot& slot) const;
  void grow();
  void clear();

  std::vector<Slot> slots_;  // a power of two of them, at most half used
  size_t used_ = 0;
  std::string words_;
  std::vector<int32_t> ids_;
};

}  // namespace bt::hf
