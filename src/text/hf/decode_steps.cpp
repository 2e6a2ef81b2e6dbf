#include "decode_steps.h"

#include "bt/core/strings.h"
#include "bt/text/python_str.h"
#include "byte_alphabet.h"

namespace bt::hf {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

void UnspellBytes::push(std::string_view token, const Next& next) {
  if (!append_unspelled(held_, token)) held_ += token;
  const size_t ready = held_.size() - incomplete_utf8_tail(held_);
  if (ready == 0) return;
  next(valid_utf8(std::string_view(held_).substr(0, ready)));
  held_.erase(0, ready);
}

void UnspellBytes::finish(const Next& next) {
  if (!held_.empty()) next(valid_utf8(held_));
}

// Either case of digits is a byte, as in the Hugging Face library; its tokens are written in capitals.
int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
  const int high = hex_digit(token[3]), low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void ByteFallback::push(std::string_view token, const Next& next) {
  if (const int byte = byte_of_token(token); byte >= 0) {
    run_ += static_cast<char>(byte);
    return;
  }
  finish(next);
  next(token);
}

void ByteFallback::finish(const Next& next) {
  if (run_.empty()) return;
  if (is_valid_utf8(run_)) {
    next(run_);
  } else {
    for (size_t i = 0; i < run_.size(); ++i) next(kReplacement);
  }
  run_.clear();
}

void Metaspace::push(std::string_view token, const Next& next) {
  std::string out;
  while (!token.empty()) {
    const size_t at = token.find(replacement_);
    out += token.substr(0, at);
    if (at == std::string_view::npos) break;
    if (!drops_) out += ' ';
    token.remove_prefix(at + replacement_.size());
  }
  drops_ = false;
  next(out);
}

std::string_view StripToken::stripped(std::string_view token, const StripCounts& counts) {
  for (int64_t n = counts.start; n > 0 && token.starts_with(counts.character); --n) {
    token.remove_prefix(counts.character.size());
  }
  for (int64_t n = counts.stop; n > 0 && token.ends_with(counts.character); --n) {
    token.remove_suffix(counts.character.size());
  }
  return token;
}

void StripText::push(std::string_view part, const Next& next) {
  held_ += part;
  std::string_view text = held_;
  const std::string& character = counts_.character;
  while (left_ > 0 && text.starts_with(character)) {
    text.remove_prefix(character.size());
    --left_;
  }
  if (!text.empty()) left_ = 0;
  size_t keep = 0;  // of the end, which may yet be stripped
  for (int64_t n = counts_.stop; n > 0 && text.substr(0, text.size() - keep).ends_with(character); --n) {
    keep += character.size();
  }
  next(text.substr(0, text.size() - keep));
  held_ = std::string(text.substr(text.size() - keep));
}

void StripText::finish(const Next&) {}  // what is held back is stripped

}  // namespace bt::hf
