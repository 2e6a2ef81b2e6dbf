#include "option_value.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "bt/core/numerals.h"

namespace bt {
namespace {

bool is_plain(const ConfigNode& node) { return node.kind == ConfigNode::Kind::scalar && !node.quoted; }

template <class T>
bool assign(const std::optional<T>& parsed, T& value) {
  if (parsed) value = *parsed;
  return parsed.has_value();
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_mild(char c) { return is_letter(c) || std::string_view("0123456789_./-").find(c) != std::string_view::npos; }

// Starts with a letter, has no mark of YAML's, and is no word that some YAML reader takes for another type.
bool is_safe_unquoted(std::string_view text) {
  constexpr std::array<std::string_view, 9> kWords = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  if (text.empty() || !is_letter(text.front()) || !std::all_of(text.begin(), text.end(), is_mild)) return false;
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), lower);
  return std::find(kWords.begin(), kWords.end(), word) == kWords.end();
}

std::string double_quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

bool parse_option(const ConfigNode& node, bool& value) {
  if (!is_plain(node) || (node.scalar != "true" && node.scalar != "false")) return false;
  value = node.scalar == "true";
  return true;
}

bool parse_option(const ConfigNode& node, int64_t& value) {
  return is_plain(node) && assign(parse_integer(node.scalar), value);
}

bool parse_option(const ConfigNode& node, double& value) {
  return is_plain(node) && assign(parse_number(node.scalar), value);
}

bool parse_option(const ConfigNode& node, std::string& value) {
  if (node.kind != ConfigNode::Kind::scalar) return false;
  value = node.scalar;
  return true;
}

std::string option_text(bool value) { return value ? "true" : "false"; }
std::string option_text(int64_t value) { return std::to_string(value); }
std::string option_text(double value) { return number_text(value); }
std::string option_text(const std::string& value) { return is_safe_unquoted(value) ? value : double_quoted(value); }

std::string range_text(const FieldInfo& info) {
  const bool has_min = std::isfinite(info.min), has_max = std::isfinite(info.max);
  if (has_min && has_max) return " " + number_text(info.min) + " to " + number_text(info.max);
  if (has_min) return " >= " + number_text(info.min);
  return has_max ? " <= " + number_text(info.max) : "";
}

bool satisfies(const FieldInfo&, bool) { return true; }
bool satisfies(const FieldInfo& info, int64_t value) { return satisfies(info, static_cast<double>(value)); }
bool satisfies(const FieldInfo& info, double value) { return value >= info.min && value <= info.max; }
bool satisfies(const FieldInfo& info, const std::string& value) {
  const std::vector<std::string>& choices = info.choices;
  return choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end();
}

}  // namespace bt
