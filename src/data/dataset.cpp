#include "bt/data/dataset.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/calculator.h"
#include "bt/text/json_lines.h"

namespace bt {
namespace {

void check(const DatasetSpec& spec) {
  if (spec.too_long != "drop" && spec.too_long != "truncate" && spec.too_long != "split") {
    fail_usage({.what = "unknown policy for long examples",
                .where = "data.too_long",
                .expected = "drop, truncate or split",
                .found = spec.too_long});
  }
  if (spec.too_long == "split" && !spec.prompt.empty()) {
    fail_usage({.what = "only texts without a prompt can be split",
                .where = "data.prompt",
                .expected = "an empty template beside data.too_long: split",
                .found = spec.prompt,
                .next_step = "set data.prompt: \"\", or data.too_long: truncate"});
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

// Tokens [begin, end) as an example of their own.
Example piece(const Example& example, int64_t begin, int64_t end) {
  Example out{.prompt_length = std::clamp<int64_t>(example.prompt_length - begin, 0, end - begin),
              .source = example.source,
              .begin = begin};
  out.ids.assign(example.ids.begin() + begin, example.ids.begin() + end);
  out.supervised.assign(example.supervised.begin() + begin, example.supervised.begin() + end);
  if (!out.supervised.empty()) out.supervised.front() = 0;
  return out;
}

int64_t unknown_count(const Example& example, const Tokenizer& tokenizer) {
  return std::count_if(example.ids.begin(), example.ids.end(), [&](int32_t id) {
    return tokenizer.is_special(id) && id != tokenizer.bos_id() && id != tokenizer.eos_id();
  });
}

// False: nothing of it can be learned.
bool add_whole(Dataset& dataset, Example example, const Tokenizer& tokenizer) {
  DatasetReport& report = dataset.report;
  const int64_t supervised = supervised_count(example);
  if (supervised == 0) return false;
  report.tokens += static_cast<int64_t>(example.ids.size());
  report.supervised_tokens += supervised;
  report.unknown_tokens += unknown_count(example, tokenizer);
  dataset.examples.push_back(std::move(example));
  return true;
}

void add_example(Dataset& dataset, Example example, const DatasetSpec& spec, const Tokenizer& tokenizer) {
  DatasetReport& report = dataset.report;
  example.source = report.records++;
  const auto length = static_cast<int64_t>(example.ids.size());
  if (length <= spec.max_tokens) {
    report.dropped += add_whole(dataset, std::move(example), tokenizer) ? 0 : 1;
    return;
  }
  if (spec.too_long == "drop") {
    ++report.dropped;
    return;
  }
  if (spec.too_long == "truncate") {
    const bool is_added = add_whole(dataset, piece(example, 0, spec.max_tokens), tokenizer);
    ++(is_added ? report.truncated : report.dropped);
    return;
  }
  for (int64_t begin = 0; begin < length; begin += spec.max_tokens)
    add_whole(dataset, piece(example, begin, std::min(length, begin + spec.max_tokens)), tokenizer);
  ++report.split;
}

}  // namespace

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
    std::string content = read_file(file);
    dataset.report.sha256.push_back(sha256_hex(content));
    if (file.ends_with(".txt")) {
      const Json record = Json::object({{"text", std::move(content)}});
      add_example(dataset, maker.example(record, file), spec, tokenizer);
      continue;
    }
    for_each_json_line(content, file, [&](const Json& record, const std::string& where) {
      add_example(dataset, maker.example(record, where), spec, tokenizer);
    });
  }
  if (dataset.examples.empty()) {
    fail_bad_file({.what = "the data set has no usable example",
                   .where = join(spec.files, ", "),
                   .found = dataset.report.text(),
                   .next_step = dataset.report.records == 0
                                    ? "name files with records: one JSON object a line, or .txt"
                                    : "raise data.max_tokens, or check the files and templates"});
  }
  return dataset;
}

std::string DatasetReport::text() const {
  std::string line = str(records - dropped, " of ", records, " records, ", tokens, " tokens, ", supervised_tokens,
                         " of them supervised");
  if (dropped > 0) line += str("; ", dropped, " dropped");
  if (truncated > 0) line += str("; ", truncated, " truncated");
  if (split > 0) line += str("; ", split, " split");
  if (unknown_tokens > 0) line += str("; ", unknown_tokens, " tokens unknown to the tokenizer");
  return line;
}

}  // namespace bt
