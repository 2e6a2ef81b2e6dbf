// Unicode as tokenizer.json's components use it. Texts here are valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace bt::hf {

inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581, a space in SentencePiece's spelling
inline constexpr char32_t kSpaceCodePoint = 0x2581;

char32_t code_point_of(std::string_view character);  // precondition: begins with a valid sequence
char32_t last_code_point_of(std::string_view text);  // precondition: valid and not empty
std::string_view last_character_of(std::string_view text);

bool is_white_space(char32_t code_point);  // the property White_Space
// \w of Rust's regex crate: Alphabetic, marks, decimal digits, connector punctuation, join controls.
bool is_word_character(char32_t code_point);
bool is_mark(char32_t code_point);  // general category M

enum class NormalForm { nfc, nfd, nfkc, nfkd };
// Normalised text, by utf8proc with the Hugging Face library's idea of characters newer than Unicode 9. Linear, but for
// the sorting of the marks on one character.
std::string to_normal_form(std::string_view text, NormalForm form);
std::string to_lower_case(std::string_view text);  // character by character, as char::to_lowercase in Rust

}  // namespace bt::hf
