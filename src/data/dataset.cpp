#include "bt/data/dataset.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/data/jsonl.h"

namespace bt {
namespace {

void check(const DatasetSpec& spec) {
  if (spec.too_long != "drop" && spec.too_long != "truncate") {
    fail_usage({.what = "unknown policy for long examples",
                .where = "data.too_long",
                .expected = "drop or truncate",
                .found = spec.too_long});
  }
  if (spec.max_tokens < 2) {
    fail_usage({.what = "no example fits into so few tokens",
                .where = "data.max_tokens",
                .expected = "at least 2",
                .found = str(spec.max_tokens)});
  }
}

// Tokens that a prediction of the one before is scored on; the first has none before it.
int64_t supervised_count(const Example& example) {
  int64_t count = 0;
  for (size_t i = 1; i < example.supervised.size(); ++i) count += example.supervised[i] != 0;
  return count;
}

void truncate(Example& example, int64_t length) {
  example.ids.resize(static_cast<size_t>(length));
  example.supervised.resize(static_cast<size_t>(length));
  example.prompt_length = std::min(example.prompt_length, length);
}

int64_t unknown_count(const Example& example, const Tokenizer& tokenizer) {
  return std::count_if(example.ids.begin(), example.ids.end(), [&](int32_t id) {
    return tokenizer.is_special(id) && id != tokenizer.bos_id() && id != tokenizer.eos_id();
  });
}

void add_example(Dataset& dataset, Example example, const DatasetSpec& spec, const Tokenizer& tokenizer) {
  DatasetReport& report = dataset.report;
  example.source = report.records++;
  const bool too_long = static_cast<int64_t>(example.ids.size()) > spec.max_tokens;
  if (too_long) truncate(example, spec.max_tokens);
  const int64_t supervised = supervised_count(example);
  if (supervised == 0 || (too_long && spec.too_long == "drop")) {
    ++report.dropped;
    return;
  }
  report.truncated += too_long;
  report.tokens += static_cast<int64_t>(example.ids.size());
  report.supervised_tokens += supervised;
  report.unknown_tokens += unknown_count(example, tokenizer);
  dataset.examples.push_back(std::move(example));
}

}  // namespace

std::string without_calculator(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t open = text.find("<<");
    const size_t close = open == std::string_view::npos ? open : text.find(">>", open);
    const bool annotation =
        close != std::string_view::npos && text.substr(open, close - open).find('\n') == std::string_view::npos;
    if (open == std::string_view::npos) return out.append(text);
    out += text.substr(0, annotation ? open : open + 2);
    text.remove_prefix(annotation ? close + 2 : open + 2);
  }
  return out;
}

ExampleMaker::ExampleMaker(const DatasetSpec& spec, const Tokenizer& tokenizer)
    : spec_(spec),
      tokenizer_(&tokenizer),
      prompt_(spec.prompt, "data.prompt"),
      response_(spec.response, "data.response") {
  check(spec_);
}

std::string ExampleMaker::clean(std::string text) const {
  return spec_.strip_calculator ? without_calculator(text) : text;
}

std::string ExampleMaker::prompt(const Json& record, std::string_view where) const {
  return clean(prompt_.render(record, where));
}

std::string ExampleMaker::response(const Json& record, std::string_view where) const {
  return clean(response_.render(record, where));
}

std::vector<int32_t> ExampleMaker::prompt_ids(const Json& record, std::string_view where) const {
  std::vector<int32_t> ids = tokenizer_->encode(prompt(record, where));
  if (spec_.add_bos && tokenizer_->bos_id()) ids.insert(ids.begin(), *tokenizer_->bos_id());
  return ids;
}

Example ExampleMaker::example(const Json& record, std::string_view where) const {
  Example example{.ids = prompt_ids(record, where)};
  example.prompt_length = static_cast<int64_t>(example.ids.size());
  const std::vector<int32_t> response_ids = tokenizer_->encode(response(record, where));
  example.ids.insert(example.ids.end(), response_ids.begin(), response_ids.end());
  if (spec_.add_eos && tokenizer_->eos_id()) example.ids.push_back(*tokenizer_->eos_id());
  for (size_t i = 0; i < example.ids.size(); ++i) {
    const bool in_response = static_cast<int64_t>(i) >= example.prompt_length;
    example.supervised.push_back(i > 0 && (in_response || !spec_.answer_only));
  }
  return example;
}

Dataset load_dataset(const DatasetSpec& spec, const Tokenizer& tokenizer) {
  const ExampleMaker maker(spec, tokenizer);
  Dataset dataset;
  for (const std::string& file : spec.files) {
    dataset.report.sha256.push_back(sha256_hex(read_file(file)));
    for_each_record(file, [&](const Json& record, const std::string& where) {
      add_example(dataset, maker.example(record, where), spec, tokenizer);
    });
  }
  if (dataset.examples.empty()) {
    fail_bad_file({.what = "the data set has no usable example",
                   .where = join(spec.files, ", "),
                   .found = dataset.report.text(),
                   .next_step = "raise data.max_tokens, or check the files and templates"});
  }
  return dataset;
}

std::string DatasetReport::text() const {
  std::string line = str(records - dropped, " of ", records, " records, ", tokens, " tokens, ", supervised_tokens,
                         " of them supervised");
  if (dropped > 0) line += str("; ", dropped, " dropped");
  if (truncated > 0) line += str("; ", truncated, " truncated");
  if (unknown_tokens > 0) line += str("; ", unknown_tokens, " tokens unknown to the tokenizer");
  return line;
}

}  // namespace bt
