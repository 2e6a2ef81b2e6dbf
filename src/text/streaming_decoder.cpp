#include "bt/text/streaming_decoder.h"

#include <algorithm>

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

size_t incomplete_utf8_tail(std::string_view bytes) {
  constexpr std::string_view kContinuations = "\x80\x80\x80";
  for (size_t tail = std::min<size_t>(3, bytes.size()); tail > 0; --tail) {
    const std::string_view end = bytes.substr(bytes.size() - tail);
    if (static_cast<unsigned char>(end.front()) < 0xC2 || utf8_sequence_length(end) != 0) continue;
    // The second byte's range depends on the first; a missing one is tried with both ends of what it may be.
    for (const std::string_view filler : {kContinuations, std::string_view("\xBF\x80\x80")}) {
      if (utf8_sequence_length(std::string(end).append(filler)) > tail) return tail;
    }
  }
  return 0;
}

}  // namespace bt
