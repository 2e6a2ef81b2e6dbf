// The decoder: tokens' texts back to text, one at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "component.h"
#include "search_pattern.h"

namespace bt::hf {

// One step of a decoder at work. It receives tokens one by one, or, behind a step that fuses them, parts of one text.
class DecodeStep {
 public:
  using Next = std::function<void(std::string_view)>;
  virtual ~DecodeStep() = default;
  virtual void push(std::string_view token, const Next& next) = 0;
  virtual void finish(const Next& next) { static_cast<void>(next); }  // passes on what was held back
};

// What a tokenizer.json says of decoding; makes the steps for one text.
class TokenDecoder {
 public:
  TokenDecoder() = default;  // tokens with spaces between them
  // ExitCode::bad_file for a type, or an order of types, that is not supported.
  explicit TokenDecoder(const Component& component);

  std::vector<std::unique_ptr<DecodeStep>> start() const;
  // The bytes a token stands for in the middle of a text; may be part of a character.
  std::string bytes_of(std::string_view token) const;

 private:
  using Make = std::function<std::unique_ptr<DecodeStep>()>;
  using BytesOf = std::function<std::string(std::string_view)>;
  void add(const Component& component);
  void add_replace(const Component& component);
  void add_strip(const Component& component);
  void need_tokens(const Component& component) const;

  std::vector<Make> steps_{};
  std::vector<BytesOf> bytes_;
  bool joins_with_spaces_ = true;
  bool fused_ = false;  // the steps so far end in one text
};

}  // namespace bt::hf
