// The steps a decoder is made of.
#pragma once

#include "token_decoder.h"

namespace bt::hf {

// Tokens spelled in GPT-2's alphabet of bytes become their bytes, others stay. Passes on whole characters; what is no
// UTF-8 becomes U+FFFD, one for each maximal part, as in Python's errors="replace".
class UnspellBytes final : public DecodeStep {
 public:
  void push(std::string_view token, const Next& next) override;
  void finish(const Next& next) override;

 private:
  std::string held_;  // the beginning of a character
};

// Runs of tokens <0xNN> become their bytes, or one U+FFFD a token where the run is not UTF-8. A run is held back until
// it ends, since a later byte may spoil it.
class ByteFallback final : public DecodeStep {
 public:
  void push(std::string_view token, const Next& next) override;
  void finish(const Next& next) override;

 private:
  std::string run_;
};

// The byte of <0xNN>, or -1.
int byte_of_token(std::string_view token);

// The replacement becomes a space; in the first token it vanishes if `drop_first`.
class Metaspace final : public DecodeStep {
 public:
  Metaspace(std::string replacement, bool drop_first) : replacement_(std::move(replacement)), drops_(drop_first) {}
  void push(std::string_view token, const Next& next) override;

 private:
  std::string replacement_;
  bool drops_;
};

class ReplaceInToken final : public DecodeStep {
 public:
  ReplaceInToken(SearchPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void push(std::string_view token, const Next& next) override { next(pattern_.replace_all(token, content_)); }

 private:
  SearchPattern pattern_;
  std::string content_;
};

// In a fused text a match may span any of its parts: passes on everything at the end.
class ReplaceInText final : public DecodeStep {
 public:
  ReplaceInText(SearchPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void push(std::string_view part, const Next&) override { text_ += part; }
  void finish(const Next& next) override { next(pattern_.replace_all(text_, content_)); }

 private:
  SearchPattern pattern_;
  std::string content_, text_;
};

struct StripCounts {
  std::string character;
  int64_t start = 0, stop = 0;  // at most so many at the beginning, at the end
};

class StripToken final : public DecodeStep {
 public:
  explicit StripToken(StripCounts counts) : counts_(std::move(counts)) {}
  void push(std::string_view token, const Next& next) override { next(stripped(token, counts_)); }
  static std::string_view stripped(std::string_view token, const StripCounts& counts);

 private:
  StripCounts counts_;
};

// Of a fused text; holds back what may be the end.
class StripText final : public DecodeStep {
 public:
  explicit StripText(StripCounts counts) : counts_(std::move(counts)), left_(counts_.start) {}
  void push(std::string_view part, const Next& next) override;
  void finish(const Next& next) override;

 private:
  StripCounts counts_;
  int64_t left_;  // characters that may yet be stripped from the beginning
  std::string held_;
};

// Without a decoder: tokens with a space between.
class JoinWithSpaces final : public DecodeStep {
 public:
  void push(std::string_view token, const Next& next) override {
    if (!first_) next(" ");
    first_ = false;
    next(token);
  }

 private:
  bool first_ = true;
};

}  // namespace bt::hf
