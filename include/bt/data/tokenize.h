// `bt-data tokenize` and the texts for `bt-data train-tokenizer`.
#pragma once

#include <string>
#include <vector>

#include "bt/text/tokenizer.h"

namespace bt {

struct TokenizeOptions {
  bool add_special = false;   // what the post-processor adds
  bool skip_special = false;  // leave special tokens out of "decoded"
};

// The file's records, each with "decoded" added, and "ids" where it has "text": a record holds {"text": "…"} or
// {"ids": […]}. One JSON object a line. ExitCode::bad_file names the line that holds neither or an id out of range.
std::string tokenize_records(const std::string& path, const Tokenizer& tokenizer, const TokenizeOptions& options);

// Texts to train a tokenizer on: `text_template` filled with each record of the .jsonl files; other files line by line.
std::vector<std::string> training_texts(const std::vector<std::string>& files, const std::string& text_template);

}  // namespace bt
