// Small text helpers: joining values into messages, nearest names, UTF-8.
#pragma once

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

bool is_valid_utf8(std::string_view bytes);
void append_utf8(std::string& out, char32_t code_point);  // precondition: a Unicode scalar value

}  // namespace bt
