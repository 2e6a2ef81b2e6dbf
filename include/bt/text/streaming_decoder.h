// Decoding one token at a time, for text that is shown while it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bt/text/tokenizer.h"

namespace bt {

// The texts of all calls of push, then finish, joined, are exactly tokenizer.decode of all ids. Every text given out
// consists of whole characters: the beginning of a character, a space that decoding may yet strip, and a run of
// byte-fallback tokens, which one more byte may spoil, are held back until it is clear what they become. The tokenizer
// must outlive the decoder.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special = true);

  std::string push(int32_t id);  // ExitCode::bad_file for an id outside the vocabulary
  // What was held back; call once, after the last token. Only here may bytes that are no character come out, where the
  // tokenizer decodes to bytes as they are.
  std::string finish();

 private:
  std::string take_whole_characters();

  std::unique_ptr<Tokenizer::Decoding> decoding_;
  std::string held_;
};

}  // namespace bt
