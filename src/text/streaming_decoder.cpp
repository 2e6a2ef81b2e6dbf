#include "bt/text/streaming_decoder.h"

#include "bt/core/strings.h"

namespace bt {

StreamingDecoder::StreamingDecoder(const Tokenizer& tokenizer, bool skip_special)
    : decoding_(tokenizer.start_decoding(skip_special)) {}

std::string StreamingDecoder::push(int32_t id) {
  decoding_->push(id, held_);
  return take_whole_characters();
}

std::string StreamingDecoder::finish() {
  decoding_->finish(held_);
  return std::move(held_);
}

std::string StreamingDecoder::take_whole_characters() {
  const size_t ready = held_.size() - incomplete_utf8_tail(held_);
  std::string text = held_.substr(0, ready);
  held_.erase(0, ready);
  return text;
}

}  // namespace bt
