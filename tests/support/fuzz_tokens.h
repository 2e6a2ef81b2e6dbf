// A text cut into the tokens that JSON and YAML share, so that a mutation can change a value and leave the rest a
// document.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace bt::testing {

struct FuzzToken {
  enum class Kind {
    space,
    newline,
    string,
    number,
    word,
    mark
  };  // mark: one character, brackets and commas among them
  Kind kind;
  std::string text;

  bool is(char c) const { return kind == Kind::mark && text[0] == c; }
  bool is_scalar() const { return kind == Kind::string || kind == Kind::number || kind == Kind::word; }
  bool is_space() const { return kind == Kind::space || kind == Kind::newline; }
  bool opens() const { return is('{') || is('['); }
  bool closes() const { return is('}') || is(']'); }
};
using FuzzTokens = std::vector<FuzzToken>;

inline size_t fuzz_token_end(std::string_view text, size_t at, FuzzToken::Kind& kind) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto while_true = [&](auto&& belongs) {
    size_t end = at + 1;
    while (end < text.size() && belongs(byte(end))) ++end;
    return end;
  };
  const unsigned char first = byte(at);
  if (first == '"') {
    kind = FuzzToken::Kind::string;
    size_t end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    return std::min(end + 1, text.size());
  }
  if (first == '\n') {
    kind = FuzzToken::Kind::newline;
    return at + 1;
  }
  if (first == ' ') {
    kind = FuzzToken::Kind::space;
    return while_true([](unsigned char c) { return c == ' '; });
  }
  if (std::isdigit(first) != 0 || first == '-') {
    kind = FuzzToken::Kind::number;
    return while_true([](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '+' || c == '-'; });
  }
  if (std::isalpha(first) != 0 || first == '_' || first >= 0x80) {
    kind = FuzzToken::Kind::word;
    return while_true([](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c >= 0x80; });
  }
  kind = FuzzToken::Kind::mark;
  return at + 1;
}

inline FuzzTokens fuzz_tokens(std::string_view text) {
  FuzzTokens tokens;
  for (size_t at = 0; at < text.size();) {
    FuzzToken token;
    const size_t end = fuzz_token_end(text, at, token.kind);
    token.text = text.substr(at, end - at);
    tokens.push_back(std::move(token));
    at = end;
  }
  return tokens;
}

inline std::string fuzz_text(const FuzzTokens& tokens) {
  std::string text;
  for (const FuzzToken& token : tokens) text += token.text;
  return text;
}

// One past the value that begins at `at`: a scalar, or all up to the bracket that closes the one at `at`.
inline size_t fuzz_value_end(const FuzzTokens& tokens, size_t at) {
  int depth = 0;
  for (size_t i = at; i < tokens.size(); ++i) {
    if (tokens[i].opens()) ++depth;
    if (tokens[i].closes()) --depth;
    if (depth <= 0) return i + 1;
  }
  return tokens.size();
}

// First token from `at` on that is no white space.
inline size_t fuzz_skip_space(const FuzzTokens& tokens, size_t at) {
  while (at < tokens.size() && tokens[at].is_space()) ++at;
  return at;
}

// An element of an array or a member of an object: its tokens, without the comma behind it.
struct FuzzItem {
  size_t begin = 0, end = 0;
  bool member = false;  // key, colon, value
};

// Every item at any depth; the whole text is one too.
inline std::vector<FuzzItem> fuzz_items(const FuzzTokens& tokens) {
  std::vector<FuzzItem> items;
  bool begins = true;  // whether an item begins at the next token that is no white space
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens[at].is_space()) continue;
    if (begins && !tokens[at].closes()) {
      FuzzItem item{at, fuzz_value_end(tokens, at)};
      const size_t colon = fuzz_skip_space(tokens, item.end);
      if (colon < tokens.size() && tokens[colon].is(':')) {
        item.member = true;
        item.end = fuzz_value_end(tokens, fuzz_skip_space(tokens, colon + 1));
      }
      items.push_back(item);
    }
    begins = tokens[at].opens() || tokens[at].is(',');
  }
  return items;
}

// Where values begin: scalars (keys among them) and opening brackets.
inline std::vector<size_t> fuzz_value_places(const FuzzTokens& tokens) {
  std::vector<size_t> places;
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens[at].is_scalar() || tokens[at].opens()) places.push_back(at);
  }
  return places;
}

}  // namespace bt::testing
