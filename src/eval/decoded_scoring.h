// Scores by writing given texts token by token: for a method whose gate decides on calls from what the decoder has
// computed, which no plan can know beforehand.
#pragma once

#include <cstdint>
#include <vector>

#include "bt/eval/scoring.h"

namespace bt {

// Log-probabilities of the tokens behind each prompt, in `slots` slots.
std::vector<TextScore> decoded_scores(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                                      int64_t slots);

}  // namespace bt
