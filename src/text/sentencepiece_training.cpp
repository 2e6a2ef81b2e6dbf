#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/tokenizer.h"

namespace bt {
namespace {

// One field of a CSV line, as SentencePiece reads lists.
std::string csv_field(std::string_view word) {
  std::string field = "\"";
  for (const char c : word) {
    if (c == ' ') {
      field += "\xE2\x96\x81";  // pieces spell a space U+2581
    } else {
      field += c == '"' ? std::string("\"\"") : std::string(1, c);
    }
  }
  return field + "\"";
}

// "\n" is a symbol of its own: SentencePiece cuts the training texts there, so no learnt piece holds a newline.
std::string user_symbols(const std::vector<std::string>& words) {
  std::vector<std::string> fields{csv_field("\n")};
  for (const std::string& word : words) {
    if (word.empty() || !is_valid_utf8(word) || word.find('\n') != std::string::npos) {
      fail_usage(
          {.what = "a word of the vocabulary must be UTF-8 text without newlines", .found = quoted_excerpt(word)});
    }
    fields.push_back(csv_field(word));
  }
  return join(fields, ",");
}

void check(const std::vector<std::string>& texts, const TokenizerTraining& options) {
  if (options.model_type != "bpe" && options.model_type != "unigram") {
    fail_usage({.what = "unknown model_type", .expected = "bpe or unigram", .found = options.model_type});
  }
  const int64_t least = (options.byte_fallback ? 256 : 0) + 5 + static_cast<int64_t>(options.words.size());
  if (options.vocab_size <= least || options.vocab_size > 1'000'000) {
    fail_usage({.what = "vocab_size of the tokenizer is out of range",
                .expected = str(least + 1, " to 1000000 (special tokens, words and byte pieces included)"),
                .found = str(options.vocab_size),
                .next_step = options.byte_fallback ? "for a small vocabulary turn byte_fallback off" : ""});
  }
  const bool any = std::any_of(texts.begin(), texts.end(), [](const std::string& text) { return !text.empty(); });
  if (!any) fail_bad_file({.what = "no text to train a tokenizer on"});
}

}  // namespace

void train_sentencepiece(const std::vector<std::string>& texts, const TokenizerTraining& options,
                         const std::string& model_path) {
  check(texts, options);
  const std::unordered_map<std::string, std::string> settings{
      {"model_type", options.model_type},
      {"vocab_size", str(options.vocab_size)},
      {"hard_vocab_limit", "false"},
      {"character_coverage", "1"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"add_dummy_prefix", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"split_digits", "true"},
      {"byte_fallback", options.byte_fallback ? "true" : "false"},
      {"user_defined_symbols", user_symbols(options.words)},
      {"unk_id", "0"},
      {"bos_id", "1"},
      {"eos_id", "2"},
      {"pad_id", "3"},
      {"max_sentence_length", "1000000000"},
      {"num_threads", "1"},  // the same pieces every time
      {"minloglevel", "2"},
  };
  sentencepiece::SetRandomGeneratorSeed(static_cast<unsigned>(options.seed));
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, texts, &model);
  if (!status.ok()) {
    fail_usage({.what = "SentencePiece could not train a tokenizer",
                .found = status.ToString(),
                .next_step = "raise vocab_size above the number of different characters, or give more text"});
  }
  write_file_atomically(model_path, model);
}

}  // namespace bt
