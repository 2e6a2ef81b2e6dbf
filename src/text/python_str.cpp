#include "bt/text/python_str.h"

#include <array>
#include <cstddef>

#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

// str.isspace() beyond ASCII; the ranges U+2000 … U+200A and the rest of Unicode 15's list.
constexpr std::array<std::string_view, 19> kWideSpaces = {
    "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

size_t leading_space(std::string_view text) {
  if (text.empty()) return 0;
  if (is_ascii_space(text.front())) return 1;
  for (std::string_view space : kWideSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

size_t trailing_space(std::string_view text) {
  if (text.empty()) return 0;
  if (is_ascii_space(text.back())) return 1;
  for (std::string_view space : kWideSpaces) {
    if (text.ends_with(space)) return space.size();
  }
  return 0;
}

// How many bytes of an invalid sequence one U+FFFD stands for: as many as begin a character, at least one.
size_t broken_length(std::string_view bytes) {
  for (const size_t length : {size_t{3}, size_t{2}}) {
    if (bytes.size() >= length && incomplete_utf8_tail(bytes.substr(0, length)) == length) return length;
  }
  return 1;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = utf8_sequence_length(bytes);
    out += length > 0 ? bytes.substr(0, length) : kReplacement;
    bytes.remove_prefix(length > 0 ? length : broken_length(bytes));
  }
  return out;
}

std::string_view strip_trailing_space(std::string_view text) {
  while (const size_t length = trailing_space(text)) text.remove_suffix(length);
  return text;
}

std::string_view strip_space(std::string_view text) {
  while (const size_t length = leading_space(text)) text.remove_prefix(length);
  return strip_trailing_space(text);
}

std::vector<std::string_view> split_text(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string_view::npos; begin = end + separator.size()) {
    pieces.push_back(text.substr(begin, end - begin));
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

std::string replace_text(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t end; (end = text.find(from, begin)) != std::string_view::npos; begin = end + from.size()) {
    out.append(text.substr(begin, end - begin)).append(to);
  }
  return out.append(text.substr(begin));
}

}  // namespace bt
