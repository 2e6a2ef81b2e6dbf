// Log-probabilities of given texts, the method acting at their boundaries.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/eval/inference_model.h"

namespace bt {

// The tokens before prompt_length are the prompt; a boundary fires at its end, where the method has one there.
struct ScoreRequest {
  std::vector<int32_t> ids;  // at least one
  int64_t prompt_length = 1;
  int64_t first = 1;  // the first token whose log-probability is wanted
};

struct TextScore {
  std::vector<double> logprobs;  // natural logarithm, of every token from ScoreRequest::first on
  double sum() const;
  double perplexity() const;  // exp(-mean); NaN for a text of one token
};

// One teacher-forced pass per `batch_size` texts, packed without padding, so that a text's score does not depend on the
// batch beyond rounding. A method with a gate is scored token by token in `batch_size` slots, as it decodes.
// ExitCode::bad_file for an empty text or an id outside the vocabulary; ExitCode::usage for tokens of a prompt inside
// which a gated method may be called.
std::vector<TextScore> score(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                             int64_t batch_size);

// A line of `bt-eval score`: {"ids": [...]} or {"text": "..."}. "prompt" (a text that comes first) or "prompt_length"
// (tokens) says where the response begins; without them it begins after the first token. `where` names the line.
ScoreRequest read_score_request(const InferenceModel& model, const Json& line, const std::string& where);

// The line with "ids", "prompt_length", "logprobs", "sum" and "ppl" added.
Json scored_line(const Json& line, const ScoreRequest& request, const TextScore& score);

// Token ids of a JSON array. ExitCode::bad_file for anything but ids of the model's tokenizer.
std::vector<int32_t> read_ids(const InferenceModel& model, const Json& ids, const std::string& where);

}  // namespace bt
