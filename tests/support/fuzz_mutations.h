// Mutations of a text: of its bytes, of its lines, and of the values and items of JSON and YAML. Those of values keep
// most mutants well-formed, so that they get past the parser to the checks behind it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/random.h"
#include "support/fuzz_tokens.h"

namespace bt::testing {

inline size_t fuzz_below(CounterRng& rng, size_t bound) { return static_cast<size_t>(rng.below(bound)); }

template <class Item>
const Item& fuzz_pick(const std::vector<Item>& items, CounterRng& rng) {
  return items[fuzz_below(rng, items.size())];
}

// Numbers at which size arithmetic and conversions break.
inline const std::vector<std::string>& fuzz_numbers() {
  static const std::vector<std::string> numbers = {"0",
                                                   "1",
                                                   "-1",
                                                   "2",
                                                   "3",
                                                   "7",
                                                   "8",
                                                   "64",
                                                   "255",
                                                   "256",
                                                   "65536",
                                                   "1000000000",
                                                   "2147483647",
                                                   "2147483648",
                                                   "-2147483649",
                                                   "4294967295",
                                                   "4294967296",
                                                   "9007199254740993",
                                                   "9223372036854775807",
                                                   "9223372036854775808",
                                                   "-9223372036854775808",
                                                   "18446744073709551615",
                                                   "18446744073709551616",
                                                   "1e-999",
                                                   "0.5",
                                                   "-0.0",
                                                   "1.0",
                                                   "3e4",
                                                   "1e18",
                                                   "1.8e19"};
  return numbers;
}

// Values of every type, and strings that paths, patterns and encodings trip over.
inline const std::vector<std::string>& fuzz_values() {
  static const std::vector<std::string> values = {"null",
                                                  "true",
                                                  "false",
                                                  "{}",
                                                  "[]",
                                                  "[[[[[[]]]]]]",
                                                  "{\"a\":{\"a\":{}}}",
                                                  "\"\"",
                                                  "\"x\"",
                                                  "\"../x\"",
                                                  "\"/etc/passwd\"",
                                                  "\".\"",
                                                  "\"\\u0000\"",
                                                  "\"\\ud83d\\ude00\"",
                                                  "\"\xc3\xa9\"",
                                                  "\"<0xFF>\"",
                                                  "\"<0x-1>\"",
                                                  "\"(((((\"",
                                                  "\"[^\\\\s]*+\"",
                                                  "\"F32\"",
                                                  "\"F4\"",
                                                  "\"I64\"",
                                                  "[0,0]",
                                                  "[1,1,1,1,1,1,1,1,1]",
                                                  "[4294967296,4294967296]",
                                                  "[-1]",
                                                  "[1.5]"};
  return values;
}

// What only looks like a value.
inline const std::vector<std::string>& fuzz_broken_values() {
  static const std::vector<std::string> values = {"NaN",         "Infinity", "yes",  "010",   "1_000",   "0x10",
                                                  "-",           ".5",       "1e",   "1e999", "-1e999",  "\"\xff\"",
                                                  "\"\\ud800\"", "\"\\q\"",  "&a 1", "*a",    "!!int 1", "<<"};
  return values;
}

inline const std::vector<std::string>& fuzz_bytes() {
  static const std::vector<std::string> bytes = {"[[[[",     "}",  "]",      "\"", "\\",    "\\u0000", "\xff",
                                                 "\xc0\x80", "\n", "\t",     ":",  ": ",    ",",       "- ",
                                                 "&a ",      "*a", "!!int ", "# ", "---\n", "|\n"};
  return bytes;
}

// One edit of bytes: one changed, some cut out or doubled, or one of fuzz_bytes and fuzz_numbers put in.
inline std::string mutate_bytes(std::string text, CounterRng& rng) {
  const size_t at = fuzz_below(rng, text.size() + 1);
  const size_t length = std::min(text.size() - at, 1 + fuzz_below(rng, 16));
  switch (fuzz_below(rng, 5)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(rng.below(256));
      return text;
    case 1:
      return text.erase(at, length);
    case 2:
      return text.insert(at, text.substr(at, length));
    case 3:
      return text.replace(at, length, fuzz_pick(fuzz_numbers(), rng));
    default:
      return text.insert(at, fuzz_pick(fuzz_bytes(), rng));
  }
}

// One edit of whole lines: one cut out, doubled, moved or indented otherwise.
inline std::string mutate_lines(const std::string& text, CounterRng& rng) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  if (lines.empty()) return text;
  const size_t at = fuzz_below(rng, lines.size());
  switch (fuzz_below(rng, 4)) {
    case 0:
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), std::string(lines[at]));
      break;
    case 2:
      std::swap(lines[at], lines[fuzz_below(rng, lines.size())]);
      break;
    default:
      lines[at].insert(0, 1 + fuzz_below(rng, 4), ' ');
  }
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

// Edits of values and items of a JSON or YAML text.
class ValueMutation {
 public:
  ValueMutation(std::string_view text, CounterRng& rng) : tokens_(fuzz_tokens(text)), rng_(rng) {}
  std::string text() const { return fuzz_text(tokens_); }

  void change_number() {
    std::vector<size_t> numbers;
    for (size_t at = 0; at < tokens_.size(); ++at) {
      if (tokens_[at].kind == FuzzToken::Kind::number) numbers.push_back(at);
    }
    if (!numbers.empty()) tokens_[fuzz_pick(numbers, rng_)].text = fuzz_pick(fuzz_numbers(), rng_);
  }

  void replace_value(const FuzzTokens& by) {
    const std::vector<size_t> places = fuzz_value_places(tokens_);
    if (places.empty()) return;
    const size_t at = fuzz_pick(places, rng_);
    replace(at, fuzz_value_end(tokens_, at), by);
  }

  // An item of `other` in front of one of its own kind.
  void insert_item(const FuzzTokens& other) {
    const std::vector<FuzzItem> own = fuzz_items(tokens_), others = fuzz_items(other);
    if (own.empty() || others.empty()) return;
    const FuzzItem &before = fuzz_pick(own, rng_), &item = fuzz_pick(others, rng_);
    if (before.member != item.member || before.begin == 0) return;
    FuzzTokens inserted(iterator(other, item.begin), iterator(other, item.end));
    inserted.push_back({FuzzToken::Kind::mark, ","});
    replace(before.begin, before.begin, inserted);
  }

  void double_item() { insert_item(FuzzTokens(tokens_)); }

  void cut_item() {
    const std::vector<FuzzItem> items = fuzz_items(tokens_);
    if (items.size() < 2) return;
    FuzzItem item = items[1 + fuzz_below(rng_, items.size() - 1)];  // not the whole text
    const size_t comma = fuzz_skip_space(tokens_, item.end);
    if (comma < tokens_.size() && tokens_[comma].is(',')) {
      item.end = comma + 1;
    } else {
      size_t begin = item.begin;
      while (begin > 0 && tokens_[begin - 1].is_space()) --begin;
      if (begin > 0 && tokens_[begin - 1].is(',')) item.begin = begin - 1;
    }
    replace(item.begin, item.end, {});
  }

 private:
  static FuzzTokens::const_iterator iterator(const FuzzTokens& tokens, size_t at) {
    return tokens.begin() + static_cast<std::ptrdiff_t>(at);
  }
  void replace(size_t begin, size_t end, const FuzzTokens& by) {
    const auto after = tokens_.erase(iterator(tokens_, begin), iterator(tokens_, end));
    tokens_.insert(after, by.begin(), by.end());
  }

  FuzzTokens tokens_;
  CounterRng& rng_;
};

// A value of the text, for use elsewhere.
inline FuzzTokens fuzz_value_of(std::string_view text, CounterRng& rng) {
  const FuzzTokens tokens = fuzz_tokens(text);
  const std::vector<size_t> places = fuzz_value_places(tokens);
  if (places.empty()) return {};
  const size_t at = fuzz_pick(places, rng);
  return FuzzTokens(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                    tokens.begin() + static_cast<std::ptrdiff_t>(fuzz_value_end(tokens, at)));
}

// One edit: a number becomes one of fuzz_numbers, a value becomes one of fuzz_values or a value of `other`, an item is
// cut out or doubled or comes from `other`.
inline std::string mutate_values(std::string_view text, std::string_view other, CounterRng& rng) {
  ValueMutation mutation(text, rng);
  switch (fuzz_below(rng, 12)) {
    case 0:
    case 1:
    case 2:
      mutation.change_number();
      break;
    case 3:
    case 4:
      mutation.replace_value(fuzz_tokens(fuzz_pick(fuzz_values(), rng)));
      break;
    case 5:
      mutation.replace_value(fuzz_tokens(fuzz_pick(fuzz_broken_values(), rng)));
      break;
    case 6:
    case 7:
      mutation.replace_value(fuzz_value_of(other, rng));
      break;
    case 8:
      mutation.double_item();
      break;
    case 9:
      mutation.insert_item(fuzz_tokens(other));
      break;
    default:
      mutation.cut_item();
  }
  return mutation.text();
}

// One to three edits of a JSON or YAML text, mostly of values. `seeds` are what values are taken from.
inline std::string mutate_text(std::string text, const std::vector<std::string>& seeds, CounterRng& rng) {
  for (size_t edits = 1 + fuzz_below(rng, 3); edits > 0; --edits) {
    const size_t kind = fuzz_below(rng, 12);
    if (kind == 0) {
      text = mutate_bytes(std::move(text), rng);
    } else if (kind == 1) {
      text = mutate_lines(text, rng);
    } else {
      text = mutate_values(text, fuzz_pick(seeds, rng), rng);
    }
  }
  return text;
}

}  // namespace bt::testing
