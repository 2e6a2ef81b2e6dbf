// Numbers to and from text, exactly and independent of the locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bt {

// A decimal numeral: optional sign, digits without a needless leading zero, optional fraction, optional exponent
// ("42", "-0.5", ".5", "3e4"). Nothing else: no spaces, underscores, hexadecimal, infinity or NaN.

// Its value if that is an integer of 64 bits ("3e4" and "1.5e1" are), else nothing.
std::optional<int64_t> parse_integer(std::string_view text);

// Its nearest double, or nothing when it is no numeral or too large or small for one.
std::optional<double> parse_number(std::string_view text);

// The shortest text that reads back as the same value: "0.1", "1e-05", "inf", "nan".
std::string number_text(double value);

}  // namespace bt
