#include "bt/data/inspect.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "bt/core/strings.h"

namespace bt {
namespace {

std::vector<int32_t> eos_ids(const Tokenizer& tokenizer) {
  return tokenizer.eos_id() ? std::vector<int32_t>{*tokenizer.eos_id()} : std::vector<int32_t>{};
}

std::string escaped_byte(unsigned char byte) {
  if (byte == '\n') return "\\n";
  if (byte == '\r') return "\\r";
  if (byte == '\t') return "\\t";
  constexpr char kHex[] = "0123456789ABCDEF";
  return {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

std::string visible(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_sequence_length(std::string_view(text).substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool printable = length > 1 || (length == 1 && byte >= ' ' && byte != 0x7F);
    out += printable ? text.substr(i, length) : escaped_byte(byte);
    i += std::max<size_t>(1, length);
  }
  return out;
}

std::string render_token(const Example& example, size_t i, const Tokenizer& tokenizer) {
  const int32_t id = example.ids[i];
  const std::string text = tokenizer.is_special(id) ? tokenizer.decode({&id, 1}) : visible(tokenizer.token_bytes(id));
  const bool in_loss = i > 0 && example.supervised[i] != 0;
  return in_loss ? "[" + text + "]" : "(" + text + ")";
}

std::vector<int64_t> cuts(const Example& example, const BoundaryTable& table, const TriggerOptions& trigger,
                          const Tokenizer& tokenizer) {
  return step_starts(example.ids, example.prompt_length, table, trigger, eos_ids(tokenizer));
}

std::string render(const Example& example, const std::vector<int64_t>& starts, const Tokenizer& tokenizer) {
  std::string out = str("example ", example.source, ": ", example.ids.size(), " tokens, prompt ", example.prompt_length,
                        ", ", starts.size(), " boundaries\n");
  for (size_t step = 0; step <= starts.size(); ++step) {
    const auto begin = static_cast<size_t>(step == 0 ? 0 : starts[step - 1]);
    const size_t end = step == starts.size() ? example.ids.size() : static_cast<size_t>(starts[step]);
    out += str("  step ", step, " | ");
    for (size_t i = begin; i < end; ++i) out += render_token(example, i, tokenizer);
    out += "\n";
  }
  return out;
}

}  // namespace

std::string render_example(const Example& example, const Tokenizer& tokenizer, const TriggerOptions& trigger) {
  const BoundaryTable table(tokenizer, tokenizer.vocab_size());
  return render(example, cuts(example, table, trigger, tokenizer), tokenizer);
}

std::string histogram(std::string_view title, const std::vector<int64_t>& values, int64_t bins) {
  if (values.empty()) return str(title, ": none\n");
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  const int64_t width = (*greatest - *least) / std::max<int64_t>(1, bins) + 1;
  std::vector<int64_t> counts(static_cast<size_t>((*greatest - *least) / width) + 1);
  for (const int64_t value : values) ++counts[static_cast<size_t>((value - *least) / width)];
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  const int64_t tallest = *std::max_element(counts.begin(), counts.end());

  std::ostringstream out;
  out << title << ": " << values.size() << " examples, mean " << std::fixed << std::setprecision(1) << mean << ", "
      << *least << " to " << *greatest << "\n";
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    const int64_t from = *least + static_cast<int64_t>(bin) * width;
    const std::string range = width == 1 ? str(from) : str(from, "-", from + width - 1);
    const std::string bar(static_cast<size_t>((counts[bin] * 50 + tallest - 1) / tallest), '#');
    out << std::setw(13) << range << std::setw(9) << counts[bin] << (bar.empty() ? "" : " ") << bar << "\n";
  }
  return out.str();
}

std::string inspect_dataset(const Dataset& dataset, const Tokenizer& tokenizer, const TriggerOptions& trigger,
                            int64_t count) {
  const BoundaryTable table(tokenizer, tokenizer.vocab_size());
  check_trigger(trigger, table);
  std::string out = dataset.report.text() + "\n[x] counts in the loss, (x) does not; one line a step\n\n";
  std::vector<int64_t> lengths, steps;
  for (const Example& example : dataset.examples) {
    const std::vector<int64_t> starts = cuts(example, table, trigger, tokenizer);
    if (static_cast<int64_t>(lengths.size()) < count) out += render(example, starts, tokenizer) + "\n";
    lengths.push_back(static_cast<int64_t>(example.ids.size()));
    steps.push_back(static_cast<int64_t>(starts.size()));
  }
  return out + histogram("tokens", lengths) + "\n" + histogram("boundaries", steps);
}

}  // namespace bt
