// Characters that PCRE2's Unicode tables may lack.
#pragma once

#include <string>
#include <string_view>

namespace bt::hf {

// Characters of a general category ("L", "Nd") assigned in Unicode 15 and 16, as ranges within a class of PCRE2.
std::string late_characters(std::string_view category);
std::string escaped(char32_t code_point);  // \x{…}

}  // namespace bt::hf
