#include "bt/eval/generation_lines.h"

#include "bt/core/error.h"
#include "bt/eval/scoring.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

template <class Number>
Json array_of(const std::vector<Number>& numbers) {
  Json out = Json::array();
  for (const Number number : numbers) out.push_back(static_cast<int64_t>(number));
  return out;
}

}  // namespace

GenerationRequest read_generation_request(const InferenceModel& model, const Json& line, const std::string& where) {
  GenerationRequest request;
  if (const Json* ids = line.find("ids")) {
    if (line.contains("prompt")) {
      fail_bad_file({.what = "either \"ids\" or \"prompt\"", .where = where, .found = "both"});
    }
    request.prompt = read_ids(model, *ids, where + ": ids");
    return request;
  }
  request.prompt = model.encode_prompt(line.at("prompt", where + ": prompt").as_string(where + ": prompt"));
  if (request.prompt.empty()) {
    fail_bad_file({.what = "the prompt has no tokens", .where = where + ": prompt", .expected = "at least one"});
  }
  return request;
}

Json completed_line(const Json& line, const GenerationRequest& request, const Completion& completion) {
  Json out = line;
  if (line.contains("ids")) out.set("prompt_ids", array_of(request.prompt));
  out.set("completion", valid_utf8(completion.text));
  out.set("ids", array_of(completion.ids));
  out.set("finish_reason", finish_name(completion.finish));
  out.set("boundaries", array_of(completion.boundaries));
  return out;
}

}  // namespace bt
