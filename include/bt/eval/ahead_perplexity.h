// Perplexity by position after the latents: the measure of arXiv 2412.17747 (section 3.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/eval/inference_model.h"

namespace bt {

struct AheadOptions {
  int64_t context = 1024;  // tokens of a text; longer documents are several texts
  int64_t ahead = 32;      // positions after the latents
  int64_t places = 64;     // of a text where latents are appended; all there are where it is too short
  int64_t batch_size = 4;  // texts at once
  uint64_t seed = 0;       // of the places
};

// Sums over all places of one position: 0 is the first token after the latents.
struct AheadPosition {
  double nats_with = 0, nats_without = 0;  // negative natural logarithms
  double nats_gated = 0;                   // with latents where the method's gate is open
  int64_t tokens = 0;
};

struct AheadPerplexity {
  std::vector<AheadPosition> positions;
  int64_t texts = 0, places = 0;
  std::optional<int64_t> open;  // places where the gate is open, of a method with a gate
};

// At every place the method appends its latents and the next tokens are scored, then the same tokens without latents.
// Preconditions: the method appends embeddings. ExitCode::usage where it does not, or for a context beyond the model's;
// ExitCode::bad_file for documents of which no token can be scored.
AheadPerplexity measure_ahead_perplexity(const InferenceModel& model, const std::vector<std::string>& documents,
                                         const AheadOptions& options);

// Every position, and what they were measured with.
Json ahead_perplexity_json(const InferenceModel& model, const AheadOptions& options, const AheadPerplexity& measured);
// For people: positions 1, 2, 4, 8, … and the mean of all.
std::string ahead_perplexity_text(const InferenceModel& model, const AheadOptions& options,
                                  const AheadPerplexity& measured);

}  // namespace bt
