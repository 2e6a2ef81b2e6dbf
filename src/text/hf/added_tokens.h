// Added tokens: texts that are one token each wherever they occur, outside the model's own merging.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "normalizer.h"
#include "search_pattern.h"
#include "vocabulary.h"

namespace bt::hf {

struct AddedToken {
  std::string content;
  std::string pattern;       // the content, normalised if `normalized` is set: what is searched for and decoded
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false, rstrip = false;  // takes the white space on its left, right
  bool normalized = false;              // searched for in the normalised text
  bool special = false;
};

// Texts to search for; of those that begin at the earliest place the longest is found.
class TextSet {
 public:
  void add(std::string_view text, int32_t id);  // not empty; the same text again takes the later id
  struct Match {
    Span span;
    int32_t id;
  };
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Node {
    int32_t id = kNoToken;
    std::unordered_map<unsigned char, uint32_t> next;
  };
  std::vector<Node> nodes_{1};
  std::array<bool, 256> starts_{};
};

class AddedTokens {
 public:
  // From the list "added_tokens". As in the Hugging Face library a token that the vocabulary has keeps its id there,
  // and the others get the ids after it in the list's order; where the file states another id, a warning is logged.
  // ExitCode::bad_file: an id that is taken or too high.
  AddedTokens(const Component& file, const Vocabulary& vocabulary, const Normalizer* normalizer);

  // A stretch of text: an added token, or (kNoToken) text between them.
  struct Stretch {
    Span span;
    int32_t id = kNoToken;
  };
  // Cuts a text at the tokens searched for before, or after, normalisation.
  std::vector<Stretch> cut(std::string_view text, bool normalized) const;

  const AddedToken* find(int32_t id) const;  // nullptr: not an added token
  int32_t id_of(std::string_view content) const;
  bool is_special_text(std::string_view text) const { return special_.contains(std::string(text)); }
  int32_t highest_id() const { return highest_; }

 private:
  void add(AddedToken token, int32_t id);

  std::unordered_map<int32_t, AddedToken> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_set<std::string> special_;
  TextSet plain_, normalized_;
  int32_t highest_ = kNoToken;
};

}  // namespace bt::hf
