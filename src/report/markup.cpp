#include "markup.h"

#include "bt/core/strings.h"

namespace bt::report {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// XML 1.0, production 2: of the control characters only tab and the line ends; not U+FFFE and U+FFFF.
bool is_xml_character(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes.front());
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r';
  return bytes != "\xef\xbf\xbe" && bytes != "\xef\xbf\xbf";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text, size_t most) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (at >= most) return out + "…";
    const size_t length = utf8_sequence_length(text.substr(at));
    const bool is_valid = length > 0 && is_xml_character(text.substr(at, length));
    out += is_valid ? text.substr(at, length) : kReplacement;
    at += length > 0 ? length : 1;
  }
  return out;
}

Markup text(std::string_view text, size_t most) { return {escaped(printable(text, most))}; }

Markup element(std::string_view name, const Attributes& attributes, const Markup& content) {
  Markup out{"<"};
  out.xml += name;
  for (const auto& [key, value] : attributes) {
    out.xml.append(" ").append(key).append("=\"").append(escaped(printable(value, value.size()))).append("\"");
  }
  out.xml.append(">").append(content.xml).append("</").append(name).append(">");
  return out;
}

Markup element(std::string_view name, const Markup& content) { return element(name, {}, content); }

}  // namespace bt::report
