#include "code_points.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt::hf {
namespace {

bool is_between(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

// Letters in circles and squares: Alphabetic, though symbols by category.
bool is_enclosed_letter(char32_t c) {
  return is_between(c, 0x24B6, 0x24E9) || is_between(c, 0x1F130, 0x1F149) || is_between(c, 0x1F150, 0x1F169) ||
         is_between(c, 0x1F170, 0x1F189);
}

// The Hugging Face library normalises by the tables of Unicode 9. To it these marks, assigned later, are starters, and
// those characters have no decomposition.
struct CodePoints {
  char32_t first, last;
};
// clang-format off
constexpr CodePoints kMarksAfterUnicode9[] = {
    {0x7FD, 0x7FD}, {0x898, 0x89F}, {0x8CA, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xD3B, 0xD3C}, {0xEBA, 0xEBA},
    {0x1715, 0x1715}, {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC},
    {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
};
constexpr CodePoints kDecomposedAfterUnicode9[] = {
    {0x32FF, 0x32FF}, {0xA7F2, 0xA7F4}, {0xAB69, 0xAB69}, {0x10781, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA},
    {0x11938, 0x11938}, {0x1E030, 0x1E06D}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
};
// clang-format on

template <size_t N>
bool is_one_of(const CodePoints (&ranges)[N], utf8proc_int32_t c) {
  const auto code_point = static_cast<char32_t>(c);
  if (code_point < ranges[0].first) return false;
  const auto after = std::upper_bound(std::begin(ranges), std::end(ranges), code_point,
                                      [](char32_t value, const CodePoints& range) { return value < range.first; });
  return after != std::begin(ranges) && code_point <= std::prev(after)->last;
}

int combining_class(utf8proc_int32_t c) {
  const int known = utf8proc_get_property(c)->combining_class;
  return known != 0 && is_one_of(kMarksAfterUnicode9, c) ? 0 : known;
}

utf8proc_option_t options_of(NormalForm form) {
  int options = UTF8PROC_STABLE;
  options |= form == NormalForm::nfc || form == NormalForm::nfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::nfkc || form == NormalForm::nfkd) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options) {
  // utf8proc composes what it has decomposed in a later step, so that decomposing alone asks for DECOMPOSE.
  const auto decompose = static_cast<utf8proc_option_t>((options & ~UTF8PROC_COMPOSE) | UTF8PROC_DECOMPOSE);
  std::vector<utf8proc_int32_t> out;
  utf8proc_int32_t parts[32];
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    const auto code_point = static_cast<utf8proc_int32_t>(code_point_of(text));
    text.remove_prefix(length);
    if (is_one_of(kDecomposedAfterUnicode9, code_point)) {
      out.push_back(code_point);
      continue;
    }
    const utf8proc_ssize_t count = utf8proc_decompose_char(code_point, parts, 32, decompose, nullptr);
    BT_ASSERT(count >= 0 && count <= 32);
    out.insert(out.end(), parts, parts + count);
  }
  return out;
}

// Canonical order: marks between two starters, by combining class. utf8proc's own ordering is quadratic.
void sort_marks(std::vector<utf8proc_int32_t>& text) {
  for (size_t begin = 0; begin < text.size(); ++begin) {
    size_t end = begin;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    const auto at = [&](size_t i) { return text.begin() + static_cast<std::ptrdiff_t>(i); };
    std::stable_sort(at(begin), at(end), [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

// Composes a stretch in place. It begins at a mark that counts as a starter here and not to utf8proc, or at the text's
// beginning, and holds no other such mark: so none stands between two characters that compose.
void append_composed(utf8proc_int32_t* text, size_t size, utf8proc_option_t options, std::string& out) {
  const utf8proc_ssize_t length = utf8proc_normalize_utf32(text, static_cast<utf8proc_ssize_t>(size), options);
  BT_ASSERT(length >= 0);
  for (utf8proc_ssize_t i = 0; i < length; ++i) append_utf8(out, static_cast<char32_t>(text[i]));
}

// Below U+0300 every character is its own NFC; below U+0080 its own form of each kind.
bool is_unchanged(std::string_view text, NormalForm form) {
  const unsigned char limit = form == NormalForm::nfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(), [limit](char c) { return static_cast<unsigned char>(c) < limit; });
}

}  // namespace

char32_t code_point_of(std::string_view character) {
  const auto at = [character](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(character[i])); };
  const char32_t lead = at(0);
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return (lead & 0x1F) << 6 | (at(1) & 0x3F);
  if (lead < 0xF0) return (lead & 0x0F) << 12 | (at(1) & 0x3F) << 6 | (at(2) & 0x3F);
  return (lead & 0x07) << 18 | (at(1) & 0x3F) << 12 | (at(2) & 0x3F) << 6 | (at(3) & 0x3F);
}

std::string_view last_character_of(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

char32_t last_code_point_of(std::string_view text) { return code_point_of(last_character_of(text)); }

bool is_white_space(char32_t c) {
  return is_between(c, 9, 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 || is_between(c, 0x2000, 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_mark(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

bool is_word_character(char32_t c) {
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return is_mark(c) || is_enclosed_letter(c) || c == 0x200C || c == 0x200D;
  }
}

std::string to_normal_form(std::string_view text, NormalForm form) {
  if (is_unchanged(text, form)) return std::string(text);
  const utf8proc_option_t options = options_of(form);
  std::vector<utf8proc_int32_t> code_points = decomposed(text, options);
  sort_marks(code_points);
  std::string out;
  out.reserve(text.size());
  for (size_t begin = 0; begin < code_points.size();) {
    size_t end = begin + 1;
    while (end < code_points.size() && !is_one_of(kMarksAfterUnicode9, code_points[end])) ++end;
    append_composed(code_points.data() + begin, end - begin, options, out);
    begin = end;
  }
  return out;
}

std::string to_lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    const char32_t code_point = code_point_of(text);
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
    if (code_point == 0x130) append_utf8(out, 0x307);  // the one character whose lower case is two
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace bt::hf
