#include "bt/text/calculator.h"

namespace bt {

std::string without_calculator(std::string_view text) {
  constexpr size_t npos = std::string_view::npos;
  std::string out;
  size_t done = 0, close = 0;
  for (size_t open; (open = text.find("<<", done)) != npos;) {
    if (close <= open) close = text.find(">>", open);
    if (close == npos) break;
    const size_t line_left = text.substr(open, close - open).find('\n');
    const size_t kept_to = line_left == npos ? open : open + line_left;
    out += text.substr(done, kept_to - done);
    done = line_left == npos ? close + 2 : kept_to;
  }
  return out.append(text.substr(done));
}

}  // namespace bt
