// Patterns of a tokenizer.json: a literal text or a regular expression in Oniguruma's syntax, run by PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "component.h"

namespace bt::hf {

struct Span {
  size_t begin = 0, end = 0;  // bytes
};

class SearchPattern {
 public:
  // From {"pattern": {"Regex": "…"}} or {"String": "…"}. ExitCode::bad_file for syntax that is not supported.
  static SearchPattern from(const Component& component);
  static SearchPattern literal(std::string text);
  // `where` names the pattern in errors.
  static SearchPattern regex(std::string_view oniguruma, const std::string& where);

  // Replaces `matches` by all matches in `text` (valid UTF-8), left to right, which do not overlap; one that is empty
  // never follows directly on another. The text's edges are the subject's edges. ExitCode::bad_file where the pattern
  // needs more steps than a fixed limit allows.
  void find_all(std::string_view text, std::vector<Span>& matches) const;
  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  struct Compiled;
  SearchPattern() = default;
  void find_literal(std::string_view text, std::vector<Span>& matches) const;

  std::string literal_;  // used where there is no compiled pattern
  std::shared_ptr<const Compiled> compiled_;
};

// The same pattern in PCRE2's syntax with PCRE2_UTF, PCRE2_UCP and PCRE2_MULTILINE. Covered is what pre-tokenizer
// patterns use; what differs between the two and is not covered is refused (ExitCode::bad_file).
std::string pcre2_syntax(std::string_view oniguruma, const std::string& where);

}  // namespace bt::hf
