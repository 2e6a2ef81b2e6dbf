// Text of the page that is well-formed whatever strings are put into it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bt::report {

// Finished markup, a type of its own so that no string gets into the page unescaped.
struct Markup {
  std::string xml;
  Markup& operator+=(const Markup& other) {
    xml += other.xml;
    return *this;
  }
};

// The first `most` bytes, cut between characters and ended with "…" where longer; bytes that are not UTF-8 and
// characters that XML does not allow become U+FFFD.
std::string printable(std::string_view text, size_t most);

Markup text(std::string_view text, size_t most = 500);  // printable and escaped

using Attributes = std::vector<std::pair<std::string_view, std::string>>;

// <name key="value">content</name>; names are ours, values are escaped.
Markup element(std::string_view name, const Attributes& attributes, const Markup& content = {});
Markup element(std::string_view name, const Markup& content);

}  // namespace bt::report
