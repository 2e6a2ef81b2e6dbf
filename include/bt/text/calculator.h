// GSM8K's calculator annotations: "48/2 = <<48/2=24>>24".
#pragma once

#include <string>
#include <string_view>

namespace bt {

// The text without them: each "<<…>>" within one line. Linear in the text.
std::string without_calculator(std::string_view text);

}  // namespace bt
