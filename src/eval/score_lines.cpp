// The lines that `bt-eval score` reads and writes.
#include <cmath>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/eval/scoring.h"

namespace bt {
namespace {

int64_t read_prompt_length(const Json& line, const ScoreRequest& request, const std::string& where) {
  const Json* given = line.find("prompt_length");
  if (given == nullptr) return 1;
  const int64_t length = given->as_int(where + ": prompt_length");
  const auto tokens = static_cast<int64_t>(request.ids.size());
  if (length >= 1 && length <= tokens) return length;
  fail_bad_file({.what = "the prompt does not fit the text",
                 .where = where + ": prompt_length",
                 .expected = str("1 to ", tokens, ", the tokens of the text"),
                 .found = str(length)});
}

// What two keys of a line say would contradict each other, or one of them count for nothing.
void refuse_both(const Json& line, const char* one, const char* other, const std::string& where) {
  if (!line.contains(one) || !line.contains(other)) return;
  fail_bad_file({.what = str("either \"", one, "\" or \"", other, "\""), .where = where, .found = "both"});
}

ScoreRequest read_text(const InferenceModel& model, const Json& line, const std::string& where) {
  const std::string& text = line.at("text", where + ": text").as_string(where + ": text");
  const Json* prompt = line.find("prompt");
  if (prompt == nullptr) {
    ScoreRequest request{model.encode(text)};
    request.prompt_length = read_prompt_length(line, request, where);
    return request;
  }
  ScoreRequest request{model.encode(prompt->as_string(where + ": prompt"))};
  request.prompt_length = static_cast<int64_t>(request.ids.size());
  if (request.prompt_length == 0) {
    fail_bad_file({.what = "the prompt is empty",
                   .where = where + ": prompt",
                   .next_step = "leave it out where the text has no prompt"});
  }
  const std::vector<int32_t> response = model.tokenizer->encode(text);
  request.ids.insert(request.ids.end(), response.begin(), response.end());
  return request;
}

}  // namespace

std::vector<int32_t> read_ids(const InferenceModel& model, const Json& ids, const std::string& where) {
  std::vector<int32_t> out;
  for (const Json& item : ids.as_array(where)) {
    const int64_t id = item.as_int(where);
    if (id < 0 || id >= model.boundaries.vocab_size()) {
      fail_bad_file({.what = "token id is outside the vocabulary",
                     .where = where,
                     .expected = str("0 to ", model.boundaries.vocab_size() - 1),
                     .found = str(id)});
    }
    out.push_back(static_cast<int32_t>(id));
  }
  if (!out.empty()) return out;
  fail_bad_file({.what = "no token", .where = where, .expected = "at least one id", .found = "[]"});
}

ScoreRequest read_score_request(const InferenceModel& model, const Json& line, const std::string& where) {
  ScoreRequest request;
  if (const Json* ids = line.find("ids")) {  // they may stand beside what they are of, as in a line that was scored
    if (!line.contains("prompt_length")) refuse_both(line, "ids", "prompt", where);
    request.ids = read_ids(model, *ids, where + ": ids");
    request.prompt_length = read_prompt_length(line, request, where);
  } else {
    refuse_both(line, "prompt", "prompt_length", where);
    request = read_text(model, line, where);
  }
  if (!request.ids.empty()) return request;
  fail_bad_file({.what = "a text without tokens cannot be scored", .where = where});
}

Json scored_line(const Json& line, const ScoreRequest& request, const TextScore& score) {
  Json out = line;
  Json ids = Json::array(), logprobs = Json::array();
  for (const int32_t id : request.ids) ids.push_back(static_cast<int64_t>(id));
  for (const double logprob : score.logprobs) logprobs.push_back(logprob);
  out.set("ids", std::move(ids));
  out.set("prompt_length", request.prompt_length);
  out.set("logprobs", std::move(logprobs));
  out.set("sum", score.sum());
  out.set("ppl", score.logprobs.empty() ? Json() : Json(score.perplexity()));
  return out;
}

}  // namespace bt
