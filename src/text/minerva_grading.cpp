#include "bt/text/minerva_grading.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bt/text/pattern.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

constexpr std::pair<std::string_view, std::string_view> kSubstitutions[] = {
    {"an ", ""}, {"a ", ""},       {".$", "$"},           {"\\$", ""},          {"\\ ", ""},
    {" ", ""},   {"mbox", "text"}, {",\\text{and}", ","}, {"\\text{and}", ","}, {"\\text{m}", "\\text{}"}};

constexpr std::string_view kRemoved[] = {"square",       "ways",
                                         "integers",     "dollars",
                                         "mph",          "inches",
                                         "ft",           "hours",
                                         "km",           "units",
                                         "\\ldots",      "sue",
                                         "points",       "feet",
                                         "minutes",      "digits",
                                         "cents",        "degrees",
                                         "cm",           "gm",
                                         "pounds",       "meters",
                                         "meals",        "edges",
                                         "students",     "childrentickets",
                                         "multiples",    "\\text{s}",
                                         "\\text{.}",    "\\text{\ns}",
                                         "\\text{}^2",   "\\text{}^3",
                                         "\\text{\n}",   "\\text{}",
                                         "\\mathrm{th}", "^\\circ",
                                         "^{\\circ}",    "\\;",
                                         ",\\!",         "{,}",
                                         "\"",           "\\dots"};

bool is_word(std::string_view expression) {
  return std::all_of(expression.begin(), expression.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// Unit words that stand alone, before white space goes: "2\pi cm" loses "cm", "\left" keeps its "ft".
std::string without_unit_words(std::string text) {
  static const std::vector<Pattern> words = [] {
    std::vector<Pattern> out;
    for (std::string_view expression : kRemoved) {
      if (is_word(expression)) out.emplace_back("(?<!\\\\)\\b" + std::string(expression) + "\\b");
    }
    return out;
  }();
  for (const Pattern& word : words) text = word.replace_all(text, "");
  return text;
}

// Removes `word` everywhere but in the names of LaTeX commands.
std::string remove_outside_commands(std::string_view text, std::string_view word) {
  static const Pattern command("\\\\[a-zA-Z]+");
  std::string out;
  size_t begin = 0;
  for (const PatternMatch& match : command.find_all(text)) {
    out += replace_text(text.substr(begin, match.begin - begin), word, "");
    out += match.groups[0];
    begin = match.end;
  }
  return out += replace_text(text.substr(begin), word, "");
}

// Every line with two "$" becomes what they enclose, in dollars.
std::string keep_first_formula(std::string_view text) {
  std::string out;
  for (std::string_view line : split_text(text, "\n")) {
    const size_t first = line.find('$');
    const size_t second = first == std::string_view::npos ? first : line.find('$', first + 1);
    if (!out.empty() || line.data() != text.data()) out += '\n';
    out += second == std::string_view::npos ? line : line.substr(first, second - first + 1);
  }
  return out;
}

// Replaces open + content + "}" by the content; content ends at the first or at the last "}" of the line.
std::string unwrap(std::string_view text, std::string_view open, bool to_last_brace) {
  std::string out;
  size_t copied = 0;
  for (size_t at = 0; (at = text.find(open, at)) != std::string_view::npos;) {
    const size_t begin = at + open.size(), line_end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, line_end - begin);
    const size_t length = to_last_brace ? line.rfind('}') : line.find('}');
    if (length == std::string_view::npos) {
      at = line_end;
      continue;
    }
    out.append(text.substr(copied, at - copied)).append(line.substr(0, length));
    at = copied = begin + length + 1;
  }
  return out.append(text.substr(copied));
}

std::string without_removed(std::string text, MinervaRules rules) {
  for (std::string_view expression : kRemoved) {
    text = rules == MinervaRules::v3_1 && is_word(expression) ? remove_outside_commands(text, expression)
                                                              : replace_text(text, expression, "");
  }
  return text;
}

// "\frac12" -> "\frac{1}{2}", "\sqrt2" -> "\sqrt{2}".
std::string brace_shorthand(std::string_view text, MinervaRules rules) {
  static const Pattern fraction("(frac)([^{])(.)"), any_root("(sqrt)([^{])");
  static const Pattern indexed_root("(sqrt)(\\[[^\\]]*\\])(\\w)"), plain_root("(sqrt)(?!\\[)([^{])");
  const std::string out = fraction.replace_all(text, "frac{\\2}{\\3}");
  if (rules == MinervaRules::v3_0) return any_root.replace_all(out, "sqrt{\\2}");
  return plain_root.replace_all(indexed_root.replace_all(out, "\\1\\2{\\3}"), "sqrt{\\2}");
}

std::string without_thousands_commas(const std::string& text, MinervaRules rules) {
  static const Pattern grouped("\\A-?\\d{1,3}(?:,\\d{3})+\\z"), digits("\\A\\d+\\z");
  const std::string joined = replace_text(text, ",", "");
  const bool is_number =
      rules == MinervaRules::v3_0 ? digits.search(joined).has_value() : grouped.search(text).has_value();
  return is_number ? joined : text;
}

// A fraction of integers below 10^15, so that products fit.
struct Rational {
  int64_t numerator = 0, denominator = 1;
};

std::optional<int64_t> small_integer(std::string_view digits) {
  if (digits.size() > 15) return std::nullopt;
  int64_t value = 0;
  for (char c : digits) value = 10 * value + (c - '0');
  return value;
}

// "5", "-0.25", "3/4" and "\frac{3}{4}", at most 15 digits a part. Not ".5" and "03", which sympy's parser refuses or
// reads in its own way.
std::optional<Rational> plain_number(std::string_view text) {
  static const std::string integer = "(0|[1-9][0-9]*)";
  static const Pattern decimal("\\A(-?)" + integer + "(?:\\.([0-9]+))?\\z");
  static const Pattern fraction("\\A(-?)(?:\\\\frac\\{" + integer + "\\}\\{" + integer + "\\}|" + integer + "/" +
                                integer + ")\\z");
  if (const auto match = decimal.search(text)) {
    const auto value = small_integer(std::string(match->groups[2]) + std::string(match->groups[3]));
    if (!value) return std::nullopt;
    int64_t scale = 1;
    for (size_t i = 0; i < match->groups[3].size(); ++i) scale *= 10;
    return Rational{match->groups[1].empty() ? *value : -*value, scale};
  }
  if (const auto match = fraction.search(text)) {
    const bool slash = match->groups[2].empty();
    const auto top = small_integer(match->groups[slash ? 4 : 2]), bottom = small_integer(match->groups[slash ? 5 : 3]);
    if (!top || !bottom || *bottom == 0) return std::nullopt;
    return Rational{match->groups[1].empty() ? *top : -*top, *bottom};
  }
  return std::nullopt;
}

bool equal(const Rational& a, const Rational& b) {
  __extension__ using Wide = __int128;
  return static_cast<Wide>(a.numerator) * b.denominator == static_cast<Wide>(b.numerator) * a.denominator;
}

}  // namespace

// `Final Answer: The final answer is(.*?). I hope it is correct.` without the regular expression's quadratic time: when
// the first start on a line has no end, no later one on that line has.
std::string extract_minerva_answer(std::string_view completion) {
  constexpr std::string_view kStart = "Final Answer: The final answer is", kEnd = " I hope it is correct";
  const std::string text = std::string(completion) + "I hope it is correct.";
  static const Pattern end_pattern("." + std::string(kEnd) + ".");
  for (size_t at = 0; (at = text.find(kStart, at)) != std::string::npos;) {
    const size_t begin = at + kStart.size(), line_end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, line_end - begin);
    if (const auto end = end_pattern.search(line)) return std::string(strip_space(line.substr(0, end->begin)));
    at = line_end;
  }
  return "[invalidanswer]";
}

std::string normalise_minerva(std::string_view answer, MinervaRules rules) {
  std::string text(split_text(answer, "=").back());
  if (rules == MinervaRules::v3_1) text = without_unit_words(text);
  for (const auto& [from, to] : kSubstitutions) text = replace_text(text, from, to);
  text = keep_first_formula(without_removed(text, rules));
  for (std::string_view open : {"\\text{", "\\textbf{", "\\overline{"})
    text = unwrap(text, open, /*to_last_brace=*/false);
  text = unwrap(text, "\\boxed{", /*to_last_brace=*/true);
  text = replace_text(brace_shorthand(text, rules), "$", "");
  return without_thousands_commas(text, rules);
}

Verdict compare_minerva(std::string_view a, std::string_view b, MinervaRules rules) {
  if (rules == MinervaRules::v3_1 && !a.empty() && a == b) return Verdict::right;
  const auto number_a = plain_number(a), number_b = plain_number(b);
  if (number_a && number_b) return equal(*number_a, *number_b) ? Verdict::right : Verdict::wrong;
  return Verdict::undecided;
}

}  // namespace bt
