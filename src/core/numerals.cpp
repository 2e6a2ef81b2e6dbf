#include "bt/core/numerals.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace bt {
namespace {

// sign · digits · 10^exponent, digits without the decimal point.
struct Numeral {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

std::string_view take_digits(std::string_view& text) {
  const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// The digits after 'e'; a double needs at most three of them, so nine lose nothing that matters.
std::optional<int64_t> take_exponent(std::string_view& text) {
  const bool negative = text.starts_with('-');
  take(text, "+-");
  const std::string_view digits = take_digits(text);
  int64_t value = 0;
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return negative ? -value : value;
}

std::optional<Numeral> scan(std::string_view text) {
  Numeral numeral;
  numeral.negative = text.starts_with('-');
  take(text, "+-");
  const std::string_view whole = take_digits(text);
  const std::string_view fraction = take(text, ".") ? take_digits(text) : std::string_view();
  if (whole.empty() && fraction.empty()) return std::nullopt;
  if (whole.size() > 1 && whole.front() == '0') return std::nullopt;
  if (take(text, "eE")) {
    const std::optional<int64_t> exponent = take_exponent(text);
    if (!exponent) return std::nullopt;
    numeral.exponent = *exponent;
  }
  if (!text.empty()) return std::nullopt;
  numeral.digits.append(whole).append(fraction);
  numeral.exponent -= static_cast<int64_t>(fraction.size());
  return numeral;
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  std::optional<Numeral> numeral = scan(text);
  if (!numeral) return std::nullopt;
  std::string& digits = numeral->digits;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return 0;
  for (; numeral->exponent < 0 && digits.back() == '0'; ++numeral->exponent) digits.pop_back();
  constexpr int64_t kMaxExponent = 18;  // 10^19 does not fit
  if (numeral->exponent < 0 || numeral->exponent > kMaxExponent) return std::nullopt;
  digits.append(static_cast<size_t>(numeral->exponent), '0');
  if (numeral->negative) digits.insert(0, 1, '-');
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  if (!scan(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);  // std::from_chars knows no plus sign
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::string number_text(double value) {
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), end);
}

}  // namespace bt
