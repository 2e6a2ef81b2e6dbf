#include "bt/text/gsm8k_grading.h"

#include "bt/text/calculator.h"
#include "bt/text/math_normalisation.h"
#include "bt/text/numbers.h"
#include "bt/text/pattern.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

std::string first_group(const Pattern& pattern, std::string_view text) {
  const auto match = pattern.search(text);
  return std::string(match ? match->groups[1] : kInvalidAnswer);
}

// The harness's regexes_to_ignore, deleted in this order.
std::string without_ignored(std::string_view text) {
  static const Pattern kIgnored[] = {Pattern(","), Pattern("\\$"), Pattern("(?s).*#### "), Pattern("\\.$")};
  std::string out(text);
  for (const Pattern& pattern : kIgnored) out = pattern.replace_all(out, "");
  return out;
}

std::string ascii_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string extract_cot_strict(std::string_view completion) {
  static const Pattern pattern("The answer is (\\-?[0-9\\.\\,]+).");
  return first_group(pattern, completion);
}

std::string extract_hash_strict(std::string_view completion) {
  static const Pattern pattern("#### (\\-?[0-9\\.\\,]+)");
  return first_group(pattern, completion);
}

std::string extract_flexible(std::string_view completion) {
  static const Pattern pattern("(-?[$0-9.,]{2,})|(-?[0-9]+)");
  const auto matches = pattern.find_all(completion);
  return std::string(matches.empty() ? kInvalidAnswer : matches.back().groups[0]);
}

bool harness_exact_match(std::string_view prediction, std::string_view reference) {
  return ascii_lower(without_ignored(prediction)) == ascii_lower(without_ignored(reference));
}

std::string after_hashes(std::string_view answer) {
  return std::string(strip_space(split_text(answer, "####").back()));
}

std::string extract_final_answer(std::string_view solution) {
  constexpr std::string_view kMark = "#### ";
  const size_t mark = solution.rfind(kMark);
  if (mark == std::string_view::npos) {
    const auto boxed = last_boxed_answer(valid_utf8(solution));
    return boxed ? bare_number(normalise_math(*boxed).value_or(*boxed)) : std::string(kInvalidAnswer);
  }
  std::string_view line = solution.substr(mark + kMark.size());
  return bare_number(line.substr(0, line.find('\n')));
}

bool same_final_answer(std::string_view prediction, std::string_view reference) {
  if (prediction == kInvalidAnswer || prediction.empty()) return false;
  const auto a = canonical_decimal(prediction), b = canonical_decimal(reference);
  return a && b ? *a == *b : prediction == reference;
}

bool same_solution(std::string_view completion, std::string_view solution) {
  return strip_space(without_calculator(completion)) == strip_space(without_calculator(solution));
}

}  // namespace bt
