// Perplexity of long texts under a window that slides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bt/core/json.h"
#include "bt/eval/inference_model.h"

namespace bt {

struct SlidingWindow {
  int64_t context = 1024;  // tokens that the model sees at once
  int64_t stride = 512;    // by which the window moves; below context
  int64_t batch_size = 8;  // windows scored at once
};

struct Perplexity {
  double nats = 0;  // sum of the negative natural logarithms
  int64_t tokens = 0, windows = 0, documents = 0;
  int64_t bytes = 0;  // of the documents
  double nats_per_token() const { return nats / static_cast<double>(tokens); }
  double value() const;          // exp(nats_per_token())
  double bits_per_byte() const;  // nats / ln 2 / bytes
};

// The protocol of Hugging Face's "Perplexity of fixed-length models": every token but a document's first is scored
// once, in the first window that holds it, so from the second window on with at least context - stride tokens before
// it. A document's ids are those of InferenceModel::encode: BOS first where the model has one in front of its texts,
// never scored itself, and not repeated in later windows. Windows are independent texts of one prompt token: a method
// starts afresh in each. Precondition: 1 <= stride < context. ExitCode::usage for a context beyond the model's;
// ExitCode::bad_file for documents of which no token can be scored.
Perplexity measure_perplexity(const InferenceModel& model, const std::vector<std::string>& documents,
                              const SlidingWindow& window);

// "ppl", "nats_per_token", "bits_per_byte", "tokens", "bytes", "documents", "windows" and what they were measured with.
Json perplexity_json(const InferenceModel& model, const SlidingWindow& window, const Perplexity& measured);
// The same for people.
std::string perplexity_text(const InferenceModel& model, const SlidingWindow& window, const Perplexity& measured);

}  // namespace bt
