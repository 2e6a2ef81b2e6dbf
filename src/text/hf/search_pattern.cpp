#include "search_pattern.h"

#include "bt/core/error.h"
#include "bt/core/strings.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace bt::hf {
namespace {

constexpr uint32_t kMatchSteps = 50'000'000;    // backtracking steps of one match
constexpr uint32_t kMatchHeapKib = 256 * 1024;  // backtracking memory of one match without a just-in-time compiler
constexpr size_t kJitStackBytes = size_t{16} << 20;
constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE;

struct FreePcre2 {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
template <class T>
using Pcre2Ptr = std::unique_ptr<T, FreePcre2>;

PCRE2_SPTR code_units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

pcre2_jit_stack* thread_stack(void*) {
  thread_local const Pcre2Ptr<pcre2_jit_stack> kStack(pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr));
  return kStack.get();
}

}  // namespace

struct SearchPattern::Compiled {
  Compiled(std::string_view pattern, std::string where);
  // False: none. Precondition: `text` is valid UTF-8.
  bool match(std::string_view text, size_t from, pcre2_match_data* data) const;

  Pcre2Ptr<pcre2_code> code;
  Pcre2Ptr<pcre2_match_context> limits;
  std::string source, where;
};

SearchPattern::Compiled::Compiled(std::string_view pattern, std::string place)
    : source(pattern), where(std::move(place)) {
  const std::string translated = pcre2_syntax(pattern, where);
  const Pcre2Ptr<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code.reset(pcre2_compile(code_units(translated), translated.size(), kOptions, &error, &offset, context.get()));
  if (!code) {
    fail_bad_file(
        {.what = "not a valid pattern: " + message_of(error), .where = where, .found = quoted_excerpt(source)});
  }
  limits.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(limits.get(), kMatchSteps);
  pcre2_set_heap_limit(limits.get(), kMatchHeapKib);
  // Without a just-in-time compiler (or where the system forbids one) the interpreter gives the same matches.
  if (pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE) == 0) {
    pcre2_jit_stack_assign(limits.get(), thread_stack, nullptr);
  }
}

bool SearchPattern::Compiled::match(std::string_view text, size_t from, pcre2_match_data* data) const {
  const int result =
      pcre2_match(code.get(), code_units(text), text.size(), from, PCRE2_NO_UTF_CHECK, data, limits.get());
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    fail_bad_file({.what = "a pattern of the tokenizer cannot be matched: " + message_of(result),
                   .where = where,
                   .found = str(quoted_excerpt(source), " at byte ", from, " of ", quoted_excerpt(text.substr(from)))});
  }
  return true;
}

SearchPattern SearchPattern::literal(std::string text) {
  SearchPattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

SearchPattern SearchPattern::regex(std::string_view oniguruma, const std::string& where) {
  SearchPattern pattern;
  pattern.compiled_ = std::make_shared<const Compiled>(oniguruma, where);
  return pattern;
}

SearchPattern SearchPattern::from(const Component& component) {
  const Component pattern = component.child("pattern");
  if (pattern.find("Regex") != nullptr) return regex(pattern.text("Regex"), pattern.place("Regex"));
  const std::string& text = pattern.text("String");
  if (text.empty()) pattern.refuse("String", "an empty pattern", "at least one character");
  return literal(text);
}

void SearchPattern::find_literal(std::string_view text, std::vector<Span>& matches) const {
  for (size_t at = text.find(literal_); at != std::string_view::npos; at = text.find(literal_, at + literal_.size())) {
    matches.push_back({at, at + literal_.size()});
  }
}

void SearchPattern::find_all(std::string_view text, std::vector<Span>& matches) const {
  matches.clear();
  if (!compiled_) return find_literal(text, matches);
  thread_local const Pcre2Ptr<pcre2_match_data> kData(pcre2_match_data_create(1, nullptr));
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(kData.get());
  for (size_t from = 0; from <= text.size() && compiled_->match(text, from, kData.get());) {
    const Span match{found[0], found[1]};
    if (match.end < match.begin) break;  // \K in a lookahead, which pcre2_syntax refuses
    if (match.begin == match.end && !matches.empty() && matches.back().end == match.end) {
      from += from < text.size() ? utf8_sequence_length(text.substr(from)) : 1;
      continue;
    }
    matches.push_back(match);
    from = match.end;
  }
}

std::string SearchPattern::replace_all(std::string_view text, std::string_view content) const {
  std::vector<Span> matches;
  find_all(text, matches);
  std::string out;
  out.reserve(text.size());
  size_t copied = 0;
  for (const Span& match : matches) {
    out += text.substr(copied, match.begin - copied);
    out += content;
    copied = match.end;
  }
  return out += text.substr(copied);
}

}  // namespace bt::hf
