// Numbers as models write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bt {

// A decimal number in one canonical spelling ("+018.50" -> "18.5", "-0" -> "0"), of any length; nothing if `text` is
// anything else. No exponent, no separators.
std::optional<std::string> canonical_decimal(std::string_view text);

// The text without thousands commas, dollar signs, white space around it and one final period.
std::string bare_number(std::string_view text);

// The double nearest to a decimal number, an exponent allowed ("1e-5"); nothing if `text` is anything else.
std::optional<double> parse_double(std::string_view text);

}  // namespace bt
