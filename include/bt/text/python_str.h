// Operations on UTF-8 text with the meaning of Python's `str`, which the graders of the field are written in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bt {

// The text with what is no valid UTF-8 replaced, as bytes.decode(errors="replace"): one U+FFFD for every byte, or for
// several that together begin a character.
std::string valid_utf8(std::string_view bytes);

// The text without white space at both ends; white space is what str.strip() removes.
std::string_view strip_space(std::string_view text);
std::string_view strip_trailing_space(std::string_view text);

// str.split(separator) and str.replace(from, to): left to right, without overlap. `separator`, `from` are not empty.
std::vector<std::string_view> split_text(std::string_view text, std::string_view separator);
std::string replace_text(std::string_view text, std::string_view from, std::string_view to);

}  // namespace bt
