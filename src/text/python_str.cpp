#include "bt/text/python_str.h"

#include <array>
#include <cstddef>
#include <cstdint>

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

bool is_continuation(std::string_view bytes, size_t i, uint8_t low = 0x80, uint8_t high = 0xBF) {
  return i < bytes.size() && static_cast<uint8_t>(bytes[i]) >= low && static_cast<uint8_t>(bytes[i]) <= high;
}

// Length of the valid character at `i`, or 0 (Unicode 15, table 3-7).
size_t character_length(std::string_view bytes, size_t i) {
  const uint8_t lead = static_cast<uint8_t>(bytes[i]);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return is_continuation(bytes, i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
    return is_continuation(bytes, i + 1, low, high) && is_continuation(bytes, i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
    const bool valid =
        is_continuation(bytes, i + 1, low, high) && is_continuation(bytes, i + 2) && is_continuation(bytes, i + 3);
    return valid ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const size_t length = character_length(bytes, i);
    out += length > 0 ? bytes.substr(i, length) : kReplacement;
    i += length > 0 ? length : 1;
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
