// The model of type BPE: a word's characters become tokens, and neighbours merge, lowest rank first, until none can.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "component.h"
#include "merge_table.h"
#include "vocabulary.h"
#include "word_cache.h"

namespace bt::hf {

// What encoding needs besides the model; reused from word to word. Belongs to one model and one thread at a time.
struct BpeWorkspace {
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // places of the neighbours, -1: none
  };
  struct Candidate {
    uint64_t order;  // rank, then place
    int32_t id;      // that the pair at the place was to become
  };
  WordCache cache;
  std::vector<int32_t> symbols;  // of the word at hand
  std::vector<Merge> merges;     // of each symbol with the next
  std::vector<Symbol> chain;     // the symbols of a long word
  std::vector<Candidate> queue;  // its merges to come
  std::string spelled;
};

class BpeModel {
 public:
  // ExitCode::bad_file: another type of model, settings that are not supported, merges of unknown tokens.
  explicit BpeModel(const Component& model);
  const Vocabulary& vocabulary() const { return vocabulary_; }

  // Appends the ids of one word (valid UTF-8, not empty). `spell_bytes`: the vocabulary spells bytes in GPT-2's
  // alphabet, and the word is still plain. A character the vocabulary lacks becomes its bytes' tokens with
  // byte_fallback, else unk, else nothing. Time: the word's length times the logarithm of it.
  void encode(std::string_view word, bool spell_bytes, BpeWorkspace& workspace, std::vector<int32_t>& ids) const;

 private:
  void read_merges(const Component& model);
  void index_characters();
  void note_merge(std::string_view left, std::string_view right);
  int32_t id_of_code_point(char32_t character) const;  // below U+10000
  int32_t id_of_character(std::string_view character) const;
  int32_t unk_id() const;
  bool is_cut(std::string_view text, size_t space) const;
  void encode_cached(std::string_view word, bool spell_bytes, BpeWorkspace& workspace, std::vector<int32_t>& ids) const;
  void to_symbols(std::string_view text, std::vector<int32_t>& symbols) const;
  bool append_byte_tokens(std::string_view character, std::vector<int32_t>& symbols) const;
  void merge_short(BpeWorkspace& workspace) const;
  void merge_long(BpeWorkspace& workspace) const;
  void queue_merge(BpeWorkspace& workspace, int32_t place) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::string where_, unk_token_;
  bool has_unk_ = false, fuse_unk_ = false, byte_fallback_ = false, ignore_merges_ = false;
  std::array<int32_t, 256> byte_ids_{};  // of <0x00> to <0xFF>
  std::vector<int32_t> character_ids_;   // by code point below U+10000, up to the highest that is a token
  std::vector<bool> glued_to_space_;     // by code point: some merge joins it with a following U+2581
};

}  // namespace bt::hf
