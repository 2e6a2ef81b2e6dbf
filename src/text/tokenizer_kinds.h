// The kinds of tokenizer that load_tokenizer chooses from.
#pragma once

#include <memory>
#include <string>

#include "bt/text/tokenizer.h"

namespace bt {

inline constexpr char kByteTokenizerFile[] = "bytes.tokenizer.json";

std::unique_ptr<Tokenizer> make_byte_tokenizer();
std::unique_ptr<Tokenizer> load_byte_tokenizer(const std::string& file);
std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& file);
std::unique_ptr<Tokenizer> load_hf_tokenizer(const std::string& file);

}  // namespace bt
