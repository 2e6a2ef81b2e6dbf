// The UTF-8 part of bt/core/strings.h (Unicode 15, table 3-7: well-formed byte sequences).
#include <algorithm>

#include "bt/core/strings.h"

namespace bt {
namespace {

bool is_between(unsigned char byte, unsigned low, unsigned high) { return byte >= low && byte <= high; }

// 0 for a byte that starts no sequence: a continuation byte, the overlong C0 and C1, and F5 upwards.
size_t length_of_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (is_between(lead, 0xC2, 0xDF)) return 2;
  if (is_between(lead, 0xE0, 0xEF)) return 3;
  return is_between(lead, 0xF0, 0xF4) ? 4 : 0;
}

}  // namespace

size_t utf8_sequence_length(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const auto at = [bytes](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  const size_t length = length_of_lead(lead);
  if (bytes.size() < length) return 0;
  if (length < 2) return length;
  // The second byte excludes overlong forms (E0, F0), surrogates (ED) and values above U+10FFFF (F4).
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!is_between(at(1), low, high)) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!is_between(at(i), 0x80, 0xBF)) return 0;
  }
  return length;
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t offset = 0;
  while (const size_t length = utf8_sequence_length(bytes.substr(offset))) offset += length;
  return offset;
}

bool is_valid_utf8(std::string_view bytes) { return valid_utf8_prefix(bytes) == bytes.size(); }

size_t incomplete_utf8_tail(std::string_view bytes) {
  constexpr std::string_view kContinuations = "\x80\x80\x80";
  for (size_t tail = std::min<size_t>(3, bytes.size()); tail > 0; --tail) {
    const std::string_view end = bytes.substr(bytes.size() - tail);
    if (static_cast<unsigned char>(end.front()) < 0xC2 || utf8_sequence_length(end) != 0) continue;
    // The second byte's range depends on the first; a missing one is tried with both ends of what it may be.
    for (const std::string_view filler : {kContinuations, std::string_view("\xBF\x80\x80")}) {
      if (utf8_sequence_length(std::string(end).append(filler)) > tail) return tail;
    }
  }
  return 0;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto add = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xC0 | (code_point >> 6));
    add(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    add(0xE0 | (code_point >> 12));
    add(0x80 | ((code_point >> 6) & 0x3F));
    add(0x80 | (code_point & 0x3F));
  } else {
    add(0xF0 | (code_point >> 18));
    add(0x80 | ((code_point >> 12) & 0x3F));
    add(0x80 | ((code_point >> 6) & 0x3F));
    add(0x80 | (code_point & 0x3F));
  }
}

}  // namespace bt
