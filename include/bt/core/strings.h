// Small text helpers: joining values into messages, nearest names, UTF-8.
#pragma once

#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

// str("rank ", 3, " of ", 8): streams every argument into one string.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);  // ASCII white space at both ends

// The candidate nearest to `name` in edit distance, or "" when none is near (distance > max(2, length / 3)).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// `text` for a message: in double quotes, control characters escaped, cut after `limit` bytes.
std::string quoted_excerpt(std::string_view text, size_t limit = 60);

// Line and column from 1, in bytes, of the byte at `offset`; lines end with '\n'.
struct TextPosition {
  int line = 1;
  int column = 1;
};
TextPosition text_position(std::string_view text, size_t offset);

// Bytes of the UTF-8 sequence that `bytes` starts with; 0 when it starts with none (overlong forms, surrogates and
// values above U+10FFFF are none).
size_t utf8_sequence_length(std::string_view bytes);
size_t valid_utf8_prefix(std::string_view bytes);  // length of the longest valid prefix
bool is_valid_utf8(std::string_view bytes);
size_t incomplete_utf8_tail(std::string_view bytes);      // length of the end that begins a sequence, cut off: 0 to 3
void append_utf8(std::string& out, char32_t code_point);  // precondition: a Unicode scalar value

}  // namespace bt
