#include "bt/app/perplexity_app.h"

#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/eval/ahead_perplexity.h"
#include "bt/eval/perplexity.h"
#include "bt/options/eval_options.h"
#include "bt/text/json_lines.h"
#include "results.h"

namespace bt {
namespace {

// Lines {"text": "..."} of a .jsonl file, else the whole file as one document.
std::vector<std::string> read_documents(const std::string& path) {
  if (!path.ends_with(".jsonl")) return {read_file(path)};
  std::vector<std::string> documents;
  for (const Json& line : read_json_lines(path)) {
    const std::string where = str(path, ": object ", documents.size() + 1, ": text");
    documents.push_back(line.at("text", where).as_string(where));
  }
  return documents;
}

// Figures for people on standard output and, where asked for, as JSON.
int show(const std::string& text, const Json& json, const std::string& output) {
  print_and_write(text, [&] {
    if (output.empty()) return;
    write_file_atomically(output, json.dump(2) + "\n");
    log::info("wrote " + output);
  });
  return 0;
}

int measure(const PerplexityOptions& options) {
  const std::vector<std::string> documents = read_documents(options.input);
  const InferenceModel model = open_inference_model(options.place);
  const SlidingWindow window{options.context, options.stride, options.batch_size};
  const Perplexity measured = measure_perplexity(model, documents, window);
  need_finite(measured.nats, options.input);
  return show(perplexity_text(model, window, measured), perplexity_json(model, window, measured), options.output);
}

int measure_ahead(const AheadPerplexityOptions& options) {
  const std::vector<std::string> documents = read_documents(options.input);
  const InferenceModel model = open_inference_model(options.place);
  const AheadOptions chosen{options.context, options.ahead, options.places, options.batch_size,
                            static_cast<uint64_t>(options.seed)};
  const AheadPerplexity measured = measure_ahead_perplexity(model, documents, chosen);
  for (const AheadPosition& position : measured.positions)
    need_finite(position.nats_with + position.nats_without, options.input);
  return show(ahead_perplexity_text(model, chosen, measured), ahead_perplexity_json(model, chosen, measured),
              options.output);
}

}  // namespace
}  // namespace bt

int bt_app_ahead_perplexity(const void* request) {
  return bt::measure_ahead(*static_cast<const bt::AheadPerplexityOptions*>(request));
}

int bt_app_perplexity(const void* request) { return bt::measure(*static_cast<const bt::PerplexityOptions*>(request)); }
