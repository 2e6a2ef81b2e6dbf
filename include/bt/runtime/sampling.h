// The next token from logits: greedy, or drawn from what temperature, top-k, top-p and min-p leave.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_set>
#include <vector>

namespace bt {

// In the order in which they act, which is that of transformers 5.
struct SamplingOptions {
  double repetition_penalty = 1;  // logits of tokens already in the text: divided by it above 0, else multiplied
  double temperature = 0;         // 0: greedy; the lowest id among equal logits
  int64_t top_k = 0;              // the k likeliest tokens, and any as likely as the k-th; 0: all
  double top_p = 1;               // of these the smallest set that holds this share; lower ids first among equals
  double min_p = 0;               // of these the ones at least so likely, relative to the likeliest
  uint64_t seed = 0;
};

// Keys of one row's draw: the same request at the same place draws the same token in any batch.
struct DrawKey {
  uint64_t request = 0;
  uint64_t place = 0;
  const std::unordered_set<int32_t>* seen =
      nullptr;  // prompt and answer so far; needed with a repetition penalty alone
};

// One id per row of logits_AV. keys has one entry per row. ExitCode::numerical for a row whose greatest logit is not
// finite. Cost: passes over the vocabulary; only what may be drawn is ever sorted. On a CUDA device with kernels the
// tokens are chosen there (kernels/sampling.h) and one copy of them comes back: the same tokens, but for draws whose
// uniform number hits a border of two tokens to the last bits of fp64.
std::vector<int32_t> sample(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys);

// A token that may be drawn and its probability.
struct Candidate {
  int32_t id = 0;
  double probability = 0;
};

// What `sample` draws from, for one row of logits_V, by ascending id. Precondition: temperature > 0.
std::vector<Candidate> candidates(const at::Tensor& logits_V, const SamplingOptions& options, const DrawKey& key);

}  // namespace bt
