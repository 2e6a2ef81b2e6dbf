// The JSON lines that bt-generate reads and writes.
#pragma once

#include <string>

#include "bt/core/json.h"
#include "bt/eval/generation.h"

namespace bt {

// {"prompt": "..."} or {"ids": [...]}: a request with its prompt alone. ExitCode::bad_file for anything else; `where`
// names the line.
GenerationRequest read_generation_request(const InferenceModel& model, const Json& line, const std::string& where);

// The line with "completion", "ids" (new tokens; those given become "prompt_ids"), "finish_reason" and "boundaries".
Json completed_line(const Json& line, const GenerationRequest& request, const Completion& completion);

}  // namespace bt
