// The pre-tokenizer: splits a normalised section into words, which are tokenized each by itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "component.h"
#include "search_pattern.h"

namespace bt::hf {

// The words of a section: spans of one text.
struct Words {
  std::string text;
  std::vector<Span> spans;  // ascending, not empty
  bool at_start = false;    // the first word begins the whole text

  std::string_view word(const Span& span) const {
    return std::string_view(text).substr(span.begin, span.end - span.begin);
  }
};

class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual void apply(Words& words) const = 0;
};

class PreTokenizer {
 public:
  PreTokenizer() = default;  // leaves a section as one word
  // ExitCode::bad_file for a type that is not supported.
  explicit PreTokenizer(const Component& component);

  void split(Words& words) const;
  // The words are to be spelled in GPT-2's alphabet of bytes: left to the model, which does it once per distinct word.
  bool spells_bytes() const { return spells_bytes_; }

 private:
  std::vector<std::unique_ptr<PreTokenizerStep>> steps_;
  bool spells_bytes_ = false;
};

}  // namespace bt::hf
