#include "bt/app/generate_app.h"

#include <algorithm>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/eval/generation_lines.h"
#include "bt/eval/trace.h"
#include "bt/options/generate_options.h"
#include "bt/text/json_lines.h"
#include "bt/train/stop_signal.h"
#include "interactive.h"

namespace bt {
namespace {

// Lines of finished answers in the order of the input, each as soon as those before it are there.
class LinePrinter {
 public:
  LinePrinter(const std::vector<Json>& lines, const std::vector<GenerationRequest>& requests)
      : lines_(lines), requests_(requests), finished_(lines.size()) {}

  void add(size_t i, const Completion& completion) {
    finished_[i] = text_of(i, completion);
    for (; printed_ < finished_.size() && !finished_[printed_].empty(); ++printed_) print(finished_[printed_]);
  }

  // After an interruption: what there is of the rest.
  void print_rest(const std::vector<Completion>& completions) {
    for (; printed_ < finished_.size(); ++printed_) {
      if (completions[printed_].started()) print(text_of(printed_, completions[printed_]));
    }
  }

 private:
  std::string text_of(size_t i, const Completion& completion) const {
    return dump_json_lines({completed_line(lines_[i], requests_[i], completion)});
  }

  const std::vector<Json>& lines_;
  const std::vector<GenerationRequest>& requests_;
  std::vector<std::string> finished_;
  size_t printed_ = 0;
};

std::vector<Json> read_lines(const GenerateOptions& options) {
  if (!options.input.empty()) return read_json_lines(options.input);
  return {Json::object({{"prompt", options.prompt}})};
}

std::vector<GenerationRequest> make_requests(const InferenceModel& model, const GenerateOptions& options,
                                             const std::vector<Json>& lines) {
  const std::string source = options.input.empty() ? "--prompt" : options.input;
  std::vector<GenerationRequest> requests;
  for (size_t i = 0; i < lines.size(); ++i) {
    requests.push_back(read_generation_request(model, lines[i], str(source, ": object ", i + 1)));
    requests.back().id = i;
    requests.back().max_new_tokens = options.max_new_tokens;
  }
  return requests;
}

void warn_beyond_context(const InferenceModel& model, const std::vector<GenerationRequest>& requests) {
  const int64_t context = model.decoder().config.max_position;
  const auto beyond = std::count_if(requests.begin(), requests.end(), [&](const GenerationRequest& request) {
    return static_cast<int64_t>(request.prompt.size()) + request.max_new_tokens > context;
  });
  if (beyond > 0) log::warning(str(beyond, " answers may run past the model's context of ", context, " tokens"));
}

// The answers in a file, once generation has ended.
void write_lines(const GenerateOptions& options, const std::vector<Json>& lines,
                 const std::vector<GenerationRequest>& requests, const std::vector<Completion>& completions) {
  std::vector<Json> done;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (completions[i].started()) done.push_back(completed_line(lines[i], requests[i], completions[i]));
  }
  write_file_atomically(options.output, dump_json_lines(done));
  log::info(str("wrote ", options.output, ": ", done.size(), " of ", lines.size(), " answers"));
}

void check_stop_tokens(const InferenceModel& model, const std::vector<int64_t>& ids) {
  const int64_t vocab_size = model.boundaries.vocab_size();
  for (const int64_t id : ids) {
    if (id >= 0 && id < vocab_size) continue;
    fail_usage({.what = "token id is outside the vocabulary",
                .where = "--stop-token",
                .expected = str("0 to ", vocab_size - 1),
                .found = str(id)});
  }
}

GenerationOptions generation_options(const InferenceModel& model, const GenerateOptions& options) {
  check_stop_tokens(model, options.stop_token);
  return {.slots = options.batch_size,
          .stop = options.stop,
          .stop_tokens = {options.stop_token.begin(), options.stop_token.end()},
          .sampling = {.repetition_penalty = options.repetition_penalty,
                       .temperature = options.temperature,
                       .top_k = options.top_k,
                       .top_p = options.top_p,
                       .min_p = options.min_p,
                       .seed = static_cast<uint64_t>(options.seed)}};
}

int generate_answers(const GenerateOptions& options) {
  std::vector<Json> lines;
  if (!options.interactive) lines = read_lines(options);
  InferenceModel model = open_inference_model(options.place);
  const GenerationOptions chosen = generation_options(model, options);
  if (options.interactive) return answer_lines(model, chosen, options.max_new_tokens);
  std::optional<Trace> trace;
  if (!options.trace.empty()) trace.emplace(model);
  const std::vector<GenerationRequest> requests = make_requests(model, options, lines);
  warn_beyond_context(model, requests);
  const bool streams_text = options.input.empty() && !options.json && options.output.empty();

  LinePrinter printer(lines, requests);
  GenerationEvents events;
  const StopSignal stop;
  events.interrupted = [&] { return stop.requested(); };
  if (streams_text)
    events.on_text = [](size_t, std::string_view bytes) { print(bytes); };
  else if (options.output.empty())
    events.on_completion = [&](size_t i, const Completion& c) { printer.add(i, c); };
  const std::vector<Completion> completions = generate(model, requests, chosen, events);
  if (streams_text)
    print("\n");
  else if (options.output.empty())
    printer.print_rest(completions);
  if (!options.output.empty()) write_lines(options, lines, requests, completions);
  if (trace) trace->write(options.trace);
  return stop.requested() ? 128 + stop.number() : 0;
}

}  // namespace
}  // namespace bt

int bt_app_generate(const void* request) {
  return bt::generate_answers(*static_cast<const bt::GenerateOptions*>(request));
}
