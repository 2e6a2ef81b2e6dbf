// GPT-2's alphabet of bytes: each of the 256 bytes spelled as one visible character.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace bt::hf {

// Printable Latin-1 stands for itself; the other bytes, in order, are U+0100 and on.
std::string_view spelling_of_byte(unsigned char byte);  // UTF-8, one or two bytes
void append_spelled(std::string& out, std::string_view bytes);

// The bytes that `spelled` stands for; false, and nothing appended, where a character is not of the alphabet.
bool append_unspelled(std::string& out, std::string_view spelled);

}  // namespace bt::hf
