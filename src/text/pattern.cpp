#include "bt/text/pattern.h"

#include <stdexcept>

#include "bt/core/strings.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace bt {
namespace {

constexpr uint32_t kMatchSteps = 10'000'000;    // backtracking steps of one match
constexpr uint32_t kMatchHeapKib = 256 * 1024;  // backtracking memory of one match
constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP;

struct FreeContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string_view group_text(std::string_view text, const PCRE2_SIZE* offsets, size_t group) {
  const size_t begin = offsets[2 * group], end = offsets[2 * group + 1];
  return begin == PCRE2_UNSET ? std::string_view() : text.substr(begin, end - begin);
}

// Bytes of the character at `position`, so that an empty match moves on by a whole one.
size_t character_length(std::string_view text, size_t position) {
  size_t length = 1;
  while (position + length < text.size() && (static_cast<unsigned char>(text[position + length]) & 0xC0) == 0x80)
    ++length;
  return length;
}

std::string expand(std::string_view replacement, const PatternMatch& match) {
  std::string out;
  for (size_t i = 0; i < replacement.size(); ++i) {
    const bool is_group =
        replacement[i] == '\\' && i + 1 < replacement.size() && replacement[i + 1] >= '1' && replacement[i + 1] <= '9';
    if (is_group) {
      out += match.groups.at(static_cast<size_t>(replacement[++i] - '0'));
    } else {
      out += replacement[i];
    }
  }
  return out;
}

}  // namespace

struct Pattern::Compiled {
  pcre2_code* code = nullptr;
  std::unique_ptr<pcre2_match_context, FreeContext> limits;
  explicit Compiled(std::string_view pattern);
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  // Precondition: `text` is valid UTF-8; PCRE2 would check all of it again for every match.
  std::optional<PatternMatch> match(std::string_view text, size_t from, uint32_t options) const;
};

Pattern::Compiled::Compiled(std::string_view pattern) {
  const std::unique_ptr<pcre2_compile_context, FreeContext> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), kOptions, &error, &offset,
                       context.get());
  if (code == nullptr) throw std::logic_error(str("invalid pattern at byte ", offset, ": ", pattern));
  limits.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(limits.get(), kMatchSteps);
  pcre2_set_heap_limit(limits.get(), kMatchHeapKib);
}

std::optional<PatternMatch> Pattern::Compiled::match(std::string_view text, size_t from, uint32_t options) const {
  const std::unique_ptr<pcre2_match_data, FreeContext> data(pcre2_match_data_create_from_pattern(code, nullptr));
  const int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                options | PCRE2_NO_UTF_CHECK, data.get(), limits.get());
  if (count < 0) return std::nullopt;
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
  PatternMatch match{offsets[0], offsets[1], {}};
  for (uint32_t group = 0; group < pcre2_get_ovector_count(data.get()); ++group) {
    match.groups.push_back(group_text(text, offsets, group));
  }
  return match;
}

Pattern::Pattern(std::string_view pattern) : compiled_(std::make_shared<const Compiled>(pattern)) {}

std::optional<PatternMatch> Pattern::search(std::string_view text, size_t from) const {
  return from > text.size() || !is_valid_utf8(text) ? std::nullopt : compiled_->match(text, from, 0);
}

std::vector<PatternMatch> Pattern::find_all(std::string_view text) const {
  std::vector<PatternMatch> matches;
  if (!is_valid_utf8(text)) return matches;
  size_t position = 0;
  bool after_empty = false;  // Python: after an empty match, look for a non-empty one at the same place first
  while (position <= text.size()) {
    auto match = compiled_->match(text, position, after_empty ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0);
    if (match) {
      position = match->end;
      after_empty = match->begin == match->end;
      matches.push_back(std::move(*match));
    } else if (after_empty) {
      if (position == text.size()) break;
      position += character_length(text, position);
      after_empty = false;
    } else {
      break;
    }
  }
  return matches;
}

std::string Pattern::replace_all(std::string_view text, std::string_view replacement) const {
  std::string out;
  size_t copied = 0;
  for (const PatternMatch& match : find_all(text)) {
    out += text.substr(copied, match.begin - copied);
    out += expand(replacement, match);
    copied = match.end;
  }
  return out += text.substr(copied);
}

}  // namespace bt
