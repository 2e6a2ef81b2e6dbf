// The tokens of one row of logits that sampling may draw.
#pragma once

#include <vector>

#include "bt/runtime/sampling.h"

namespace bt {

// Reused from row to row, so that a step of decoding allocates nothing once it has seen its vocabulary.
struct SamplingScratch {
  std::vector<Candidate> kept;  // the result: weights exp((logit - greatest) / temperature), not yet normalised
  std::vector<double> best;     // of the search for the k-th
};

// Fills scratch.kept: T is float or double, `greatest` the finite maximum of the row. Rows of -infinity are never kept.
template <class T>
void keep_candidates(const T* logits, int64_t vocabulary, double greatest, const SamplingOptions& options,
                     SamplingScratch& scratch);

}  // namespace bt
