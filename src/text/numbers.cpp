#include "bt/text/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "bt/text/python_str.h"

namespace bt {
namespace {

bool all_digits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

std::string_view without_leading_zeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

std::string_view without_trailing_zeros(std::string_view digits) {
  const size_t last = digits.find_last_not_of('0');
  return last == std::string_view::npos ? std::string_view() : digits.substr(0, last + 1);
}

}  // namespace

std::optional<std::string> canonical_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point < text.size() ? text.substr(point + 1) : std::string_view();
  if (whole.size() + fraction.size() == 0 || !all_digits(whole) || !all_digits(fraction)) return std::nullopt;

  const std::string_view high = without_leading_zeros(whole), low = without_trailing_zeros(fraction);
  std::string out(high.empty() ? "0" : high);
  if (!low.empty()) out.append(".").append(low);
  return negative && out != "0" ? "-" + out : out;
}

std::string bare_number(std::string_view text) {
  std::string out;
  for (char c : strip_space(text)) {
    if (c != ',' && c != '$') out += c;
  }
  if (out.ends_with('.')) out.pop_back();
  return std::string(strip_space(out));
}

std::optional<double> parse_double(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace bt
