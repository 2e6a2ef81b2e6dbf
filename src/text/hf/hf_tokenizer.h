// The tokenizer that a tokenizer.json describes, as the Hugging Face library `tokenizers` runs it.
#pragma once

#include <filesystem>
#include <mutex>

#include "../tokenizer_files.h"
#include "added_tokens.h"
#include "bpe_model.h"
#include "bt/text/tokenizer.h"
#include "post_processor.h"
#include "pre_tokenizer.h"
#include "token_decoder.h"

namespace bt::hf {

class HfTokenizer final : public Tokenizer {
 public:
  HfTokenizer(const Component& file, TokenizerFiles files);

  int64_t vocab_size() const override;
  std::vector<int32_t> encode(std::string_view text, bool add_special) const override;
  std::unique_ptr<Decoding> start_decoding(bool skip_special) const override;
  std::string token_bytes(int32_t id) const override;
  bool is_special(int32_t id) const override;
  std::optional<int32_t> bos_id() const override { return bos_; }
  std::optional<int32_t> eos_id() const override { return eos_; }
  std::optional<int32_t> pad_id() const override { return pad_; }
  std::string fingerprint() const override { return files_.fingerprint(); }
  void save(const std::string& folder) const override { files_.save(folder); }

 private:
  class DecodingTokens;
  void check(int32_t id) const;
  void check_frame(const Component& file) const;
  int32_t id_of(std::string_view token) const;
  std::optional<int32_t> configured_id(std::string_view key) const;
  std::string_view text_of(int32_t id) const;  // as the decoder gets it; empty where the id has no token
  bool is_skipped(int32_t id) const;           // in decoding without special tokens
  void encode_text(std::string_view text, BpeWorkspace& workspace, std::vector<int32_t>& ids) const;
  void encode_section(Section section, BpeWorkspace& workspace, std::vector<int32_t>& ids) const;

  TokenizerFiles files_;
  std::unique_ptr<Normalizer> normalizer_;  // may be absent
  BpeModel model_;
  AddedTokens added_;
  PreTokenizer pre_tokenizer_;
  SpecialFrame frame_;
  TokenDecoder decoder_;
  std::optional<int32_t> bos_, eos_, pad_;
  mutable std::mutex workspace_in_use_;
  mutable BpeWorkspace workspace_;  // of the caller that holds the mutex
};

}  // namespace bt::hf
