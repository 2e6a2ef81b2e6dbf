#include "bt/app/score_app.h"

#include <cmath>

#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/eval/scoring.h"
#include "bt/options/eval_options.h"
#include "bt/text/json_lines.h"
#include "results.h"

namespace bt {
namespace {

void log_total(const std::vector<TextScore>& scores, const std::string& output) {
  double sum = 0;
  size_t tokens = 0;
  for (const TextScore& score : scores) {
    sum += score.sum();
    tokens += score.logprobs.size();
  }
  log::info(str("wrote ", output, ": ", scores.size(), " texts, ", tokens, " tokens, perplexity ",
                std::exp(-sum / static_cast<double>(std::max<size_t>(tokens, 1)))));
}

int score_file(const ScoreOptions& options) {
  std::vector<Json> lines = read_json_lines(options.input);
  const InferenceModel model = open_inference_model(options.place);
  std::vector<ScoreRequest> requests;
  const auto where = [&](size_t i) { return str(options.input, ": object ", i + 1); };
  for (size_t i = 0; i < lines.size(); ++i) requests.push_back(read_score_request(model, lines[i], where(i)));
  const std::vector<TextScore> scores = score(model, requests, options.batch_size);
  for (size_t i = 0; i < lines.size(); ++i) lines[i] = scored_line(lines[i], requests[i], scores[i]);
  write_file_atomically(options.output, dump_json_lines(lines));
  log_total(scores, options.output);
  for (size_t i = 0; i < lines.size(); ++i) need_finite(scores[i].sum(), where(i));
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_score(const void* request) { return bt::score_file(*static_cast<const bt::ScoreOptions*>(request)); }
