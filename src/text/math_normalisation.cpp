#include "bt/text/math_normalisation.h"

#include <algorithm>

#include "bt/text/pattern.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

constexpr std::string_view kBoxed = "\\boxed";

// Bytes of the first character of a text that is not empty.
size_t first_character(std::string_view text) {
  const auto is_inside = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  return static_cast<size_t>(std::find_if_not(text.begin() + 1, text.end(), is_inside) - text.begin());
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// `text` starts with "\boxed{": what the braces enclose.
std::optional<std::string> braced_content(std::string_view text) {
  if (!text.starts_with("\\boxed{")) return std::nullopt;
  int depth = 0;
  for (size_t i = kBoxed.size(); i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return std::string(text.substr(kBoxed.size() + 1, i - kBoxed.size() - 1));
  }
  return std::nullopt;
}

// "\frac1b", "\frac12" -> "\frac{1}{b}", "\frac{1}{2}"; "\frac1{72}" -> "\frac{1}{72}".
std::optional<std::string> brace_fractions(const std::string& text) {
  const auto pieces = split_text(text, "\\frac");
  std::string out(pieces[0]);
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string_view piece = pieces[i];
    if (piece.empty()) return std::nullopt;
    out += "\\frac";
    if (piece[0] == '{') {
      out += piece;
      continue;
    }
    const std::string_view numerator = piece.substr(0, first_character(piece));
    std::string_view rest = piece.substr(numerator.size());
    if (rest.empty()) return text;
    out.append("{").append(numerator).append("}");
    if (rest[0] != '{') {
      const std::string_view denominator = rest.substr(0, first_character(rest));
      out.append("{").append(denominator).append("}");
      rest.remove_prefix(denominator.size());
    }
    out += rest;
  }
  return out;
}

// "\sqrt3" -> "\sqrt{3}".
std::optional<std::string> brace_roots(const std::string& text) {
  const auto pieces = split_text(text, "\\sqrt");
  std::string out(pieces[0]);
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string_view piece = pieces[i];
    if (piece.empty()) return std::nullopt;
    const size_t length = first_character(piece);
    out += "\\sqrt";
    if (piece[0] == '{') {
      out += piece;
    } else {
      out.append("{").append(piece.substr(0, length)).append("}").append(piece.substr(length));
    }
  }
  return out;
}

// "3/4" -> "\frac{3}{4}" for integers in their shortest spelling. Python's int() refuses other texts by raising.
std::optional<std::string> slash_to_fraction(const std::string& text) {
  static const Pattern python_int("\\A\\s*[+-]?\\d+(?:_\\d+)*\\s*\\z");
  static const Pattern shortest("\\A(?:0|-?[1-9][0-9]*)\\z");
  const auto sides = split_text(text, "/");
  if (sides.size() != 2) return text;
  if (!python_int.search(sides[0]) || !python_int.search(sides[1])) return std::nullopt;
  if (!shortest.search(sides[0]) || !shortest.search(sides[1])) return text;
  return "\\frac{" + std::string(sides[0]) + "}{" + std::string(sides[1]) + "}";
}

// "\text{ " occurs in the data only before a unit; twice is an error of the original.
std::optional<std::string> without_right_units(const std::string& text) {
  const auto pieces = split_text(text, "\\text{ ");
  if (pieces.size() > 2) return std::nullopt;
  return std::string(pieces[0]);
}

std::string without_layout(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kReplaced[] = {
      {"\n", ""},     {"\\!", ""},     {"\\\\", "\\"},    {"tfrac", "frac"}, {"dfrac", "frac"},
      {"\\left", ""}, {"\\right", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},   {"\\$", ""}};
  std::string out(text);
  for (const auto& [from, to] : kReplaced) out = replace_text(out, from, to);
  return out;
}

// "x=5" -> "5", for a left side of at most two characters.
std::string without_short_left_side(const std::string& text) {
  const auto sides = split_text(text, "=");
  return sides.size() == 2 && count_characters(sides[0]) <= 2 ? std::string(sides[1]) : text;
}

}  // namespace

std::optional<std::string> harness_boxed_answer(std::string_view solution) {
  const auto pieces = split_text(solution, "\\boxed ");
  if (pieces.size() > 1) return std::string(pieces.back().substr(0, pieces.back().find('$')));
  const size_t boxed = solution.rfind(kBoxed);
  return boxed == std::string_view::npos ? std::nullopt : braced_content(solution.substr(boxed));
}

std::optional<std::string> last_boxed_answer(std::string_view text) {
  const size_t boxed = text.rfind(kBoxed);
  if (boxed == std::string_view::npos) return std::nullopt;
  return harness_boxed_answer(text.substr(boxed));
}

std::string_view between_dollars(std::string_view text) {
  const size_t first = text.find('$'), last = text.rfind('$');
  return first == last ? text : text.substr(first + 1, last - first - 1);
}

std::optional<std::string> normalise_math(std::string_view answer) {
  auto text = without_right_units(without_layout(answer));
  if (!text) return std::nullopt;
  *text = replace_text(*text, "\\%", "");
  *text = replace_text(replace_text(*text, " .", " 0."), "{.", "{0.");
  if (text->empty()) return text;
  if (text->front() == '.') text->insert(0, "0");
  text = brace_roots(without_short_left_side(*text));
  if (text) text = brace_fractions(replace_text(*text, " ", ""));
  if (!text) return std::nullopt;
  return slash_to_fraction(*text == "0.5" ? "\\frac{1}{2}" : *text);
}

bool same_math_answer(std::string_view a, std::string_view b) {
  const auto normal_a = normalise_math(a), normal_b = normalise_math(b);
  return normal_a && normal_b ? *normal_a == *normal_b : a == b;
}

}  // namespace bt
