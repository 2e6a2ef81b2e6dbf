// Regular expressions with the meaning Python's `re` gives them on `str`, on top of PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

// The groups of one match as views into the searched text; [0] is the whole match, a group that took no part is empty.
struct PatternMatch {
  size_t begin = 0, end = 0;  // bytes of the whole match
  std::vector<std::string_view> groups;
};

// A compiled pattern; copying shares it, and one object may be used by many threads.
//
// `.` excludes only "\n", `$` also matches before a final newline, `[0-9]` is ASCII, `\w`, `\d` and `\b` are Unicode.
// A text that is not valid UTF-8 has no match (valid_utf8 of bt/text/python_str.h mends it). Matching runs without
// recursion and within a fixed number of steps: a text that needs more counts as one without a match.
class Pattern {
 public:
  // Throws std::logic_error for an invalid pattern: patterns are ours, not the user's.
  explicit Pattern(std::string_view pattern);

  // The first match at or after byte `from`, which begins a character.
  std::optional<PatternMatch> search(std::string_view text, size_t from = 0) const;
  // All matches that do not overlap, left to right, empty ones included.
  std::vector<PatternMatch> find_all(std::string_view text) const;
  // Every match replaced; "\1" … "\9" in `replacement` stand for groups.
  std::string replace_all(std::string_view text, std::string_view replacement) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace bt
