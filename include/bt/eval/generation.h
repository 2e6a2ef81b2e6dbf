// Answers for a list of prompts: batched decoding with fixed slots that are refilled as answers end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bt/eval/inference_model.h"
#include "bt/runtime/sampling.h"

namespace bt {

struct GenerationRequest {
  uint64_t id = 0;               // unlike every other of the list; keys the request's random numbers
  std::vector<int32_t> prompt;   // at least one token
  int64_t max_new_tokens = 256;  // at least one
};

// Why an answer ended: at an end token, a stop string or token, its longest length, or an interruption.
enum class FinishReason { eos, stop, length, interrupted };
std::string_view finish_name(FinishReason reason);  // "eos" | "stop" | "length" | "interrupted"

struct Completion {
  std::vector<int32_t> ids;  // new tokens, without the end token
  std::string text;          // decoded without special tokens, cut at the first stop string
  FinishReason finish = FinishReason::interrupted;
  std::vector<int64_t> boundaries;  // where the method acted: tokens before the cut, latents counted
  int64_t prompt_calls = 0;         // how many of them belong to the prompt, its end included
  bool started() const { return !ids.empty() || finish != FinishReason::interrupted; }
};

struct GenerationOptions {
  int64_t slots = 8;                 // sequences decoded at once
  std::vector<std::string> stop;     // an answer ends before the first of them
  std::vector<int32_t> stop_tokens;  // an answer ends before the first of them; besides the model's end tokens
  SamplingOptions sampling;
};

// What a caller may follow while answers are made; all optional. `request` is an index of the list.
struct GenerationEvents {
  // Whole characters, never a stop string nor what follows it; all pieces joined are the completion's text.
  std::function<void(size_t request, std::string_view bytes)> on_text;              // what can be shown now
  std::function<void(size_t request, const Completion& completion)> on_completion;  // in the order of finishing
  std::function<bool()> interrupted;                                                // asked before every step
};

// One completion a request, in the order of the requests. Prompts are admitted longest first, so that those prefilled
// together are of similar length; greedy answers do not depend on it beyond rounding. ExitCode::usage for an empty
// prompt, ExitCode::out_of_memory. Memory: a cache of `slots` times the longest prompt, answer and latents.
std::vector<Completion> generate(const InferenceModel& model, const std::vector<GenerationRequest>& requests,
                                 const GenerationOptions& options, const GenerationEvents& events = {});

}  // namespace bt
