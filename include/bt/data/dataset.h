// Records become examples: templates, tokenizer, loss mask, length limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"
#include "bt/data/plan.h"
#include "bt/text/text_template.h"
#include "bt/text/tokenizer.h"

namespace bt {

struct DatasetSpec {
  std::vector<std::string> files;       // in this order: JSON Lines, or .txt, which is one record {"text": …}
  std::string prompt = "{question}\n";  // templates over a record's fields
  std::string response = "{answer}";
  bool strip_calculator = true;  // removes GSM8K's <<48/2=24>> annotations
  bool answer_only = true;       // the loss counts the response and its EOS alone
  bool add_bos = false;          // in front, where the tokenizer has one
  bool add_eos = true;           // behind the response, where the tokenizer has one
  int64_t max_tokens = 1024;     // of an example, special tokens included
  // drop | truncate (the end is cut off) | split (into examples of max_tokens; for texts without a prompt)
  std::string too_long = "drop";
};

// What became of the records.
struct DatasetReport {
  int64_t records = 0;
  int64_t dropped = 0;  // too long, or without a supervised token
  int64_t truncated = 0, split = 0;
  int64_t tokens = 0, supervised_tokens = 0;
  int64_t unknown_tokens = 0;       // text that the tokenizer cannot represent
  std::vector<std::string> sha256;  // of each file
  std::string text() const;         // one line for a person
};

struct Dataset {
  std::vector<Example> examples;  // Example::source counts all records, the dropped ones too
  DatasetReport report;
};

// Turns one record into text and tokens, in training and in evaluation alike. Prompt and response are tokenized apart,
// so that a prompt has the same tokens whether or not a response follows.
class ExampleMaker {
 public:
  // ExitCode::usage for a bad template or limit. The tokenizer must outlive the maker.
  ExampleMaker(const DatasetSpec& spec, const Tokenizer& tokenizer);
  std::string prompt(const Json& record, std::string_view where) const;
  std::string response(const Json& record, std::string_view where) const;
  std::vector<int32_t> prompt_ids(const Json& record, std::string_view where) const;  // with BOS, if it is asked for
  Example example(const Json& record, std::string_view where) const;                  // of any length

 private:
  std::string clean(std::string text) const;

  DatasetSpec spec_;
  const Tokenizer* tokenizer_;
  TextTemplate prompt_, response_;
};

// ExitCode::bad_file for an unreadable file, a bad line, a missing field, or when no example is left.
Dataset load_dataset(const DatasetSpec& spec, const Tokenizer& tokenizer);

}  // namespace bt
