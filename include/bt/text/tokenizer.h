// Text to token ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual int64_t vocab_size() const = 0;  // highest id + 1; a model's own vocabulary may be larger
  // Ids of the text alone; special tokens only with add_special (what the post-processor adds: BOS/EOS).
  virtual std::vector<int32_t> encode(std::string_view text, bool add_special = false) const = 0;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // Decoding at work: `push` appends what has become certain of the text, `finish` the rest. See StreamingDecoder.
  class Decoding {
   public:
    virtual ~Decoding() = default;
    virtual void push(int32_t id, std::string& out) = 0;  // ExitCode::bad_file for an id outside the vocabulary
    virtual void finish(std::string& out) = 0;
  };
  virtual std::unique_ptr<Decoding> start_decoding(bool skip_special) const = 0;  // not outliving the tokenizer
  // The bytes a token stands for in the middle of a text; empty for special tokens.
  virtual std::string token_bytes(int32_t id) const = 0;
  virtual bool is_special(int32_t id) const = 0;
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  virtual std::optional<int32_t> pad_id() const = 0;
  // SHA-256 of the tokenizer file: a processor is refused on another tokenizer.
  virtual std::string fingerprint() const = 0;
  // Copies the tokenizer's files into a model folder.
  virtual void save(const std::string& folder) const = 0;
};

// From a folder (tokenizer.json, else tokenizer.model, else bytes.tokenizer.json) or a file of one of these kinds.
// "bytes" gives the byte tokenizer (256 bytes, then bos, eos, pad). ExitCode::bad_file when there is none, it is
// malformed, or it needs something that is not supported; a tokenizer.json that is refused is not replaced by a
// tokenizer.model.
//
// tokenizer.json (models of type BPE): ids and decoded text are those of the Hugging Face library `tokenizers`
// (docs/tokenizers.md). Text that is not UTF-8 is read as Python's errors="replace" reads it. One object may be used by
// many threads; the cache of words serves one of them at a time.
//
// A SentencePiece model that leaves text as it is (no dummy prefix, identity normalisation) and has byte pieces is
// exact: decode(encode(x)) == x for any bytes, U+2581 and invalid UTF-8 included. Others follow SentencePiece's own
// rules. add_special puts BOS in front where there is one; add_bos_token and add_eos_token of a tokenizer_config.json
// beside the model say otherwise.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);

struct TokenizerTraining {
  int64_t vocab_size = 0;          // at most; fewer when the texts give no more. Special tokens and bytes included
  std::string model_type = "bpe";  // bpe | unigram
  uint64_t seed = 0;               // of SentencePiece's generator; its low 32 bits
  // 256 entries that make any byte encodable. A vocabulary below about 300 entries must do without: a character of no
  // training text then becomes unk and does not decode.
  bool byte_fallback = true;
  // Pieces of text that are one token each wherever they occur (the longest match wins), white space included.
  std::vector<std::string> words;
};

// Trains a SentencePiece model on `texts` and writes it to `model_path`: identity normalisation, white space kept as it
// is, digits split, "\n" a token of its own, which no other token contains. Ids: 0 unk, 1 bos, 2 eos, 3 pad. The same
// input gives the same file. ExitCode::usage when the vocabulary is too small for the characters of the texts.
void train_sentencepiece(const std::vector<std::string>& texts, const TokenizerTraining& options,
                         const std::string& model_path);

}  // namespace bt
