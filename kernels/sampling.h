// The next token of every row of logits, chosen on the device.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// Divides the logits of tokens already in the text by `penalty` above 0, else multiplies them (Keskar et al. 2019,
// arXiv 1909.05858). A block per row; reads and writes the named logits alone.
struct Penalty {
  float* logits;       // [rows, columns], rows `stride` elements apart
  const int32_t* id;   // those of row 0, then of row 1 …; none twice in a row; ids >= columns are passed over
  const int64_t* end;  // [rows]: where a row's ids end
  int64_t stride;
  int rows, columns;
  float penalty;
};
void penalise(const Penalty& work, Stream stream);

// Row by row what bt::sample of bt/runtime/sampling.h defines: the options' meaning and order are those of
// SamplingOptions, without the penalty. Weights and their sums are in fp64, in an order of their own, so a draw differs
// from that of another order of the same sums only where the uniform number hits a border to 1 part in 10^13 or so.
// token: -1 for a row whose greatest logit is not finite. The same bits in every run.
//
// A block per row; nothing is sorted. What top-k and top-p keep is found by the bits of a threshold, since the bits of
// floats can be ordered as they are. Reads of a row, the first from memory, the others from the L2 cache as far as it
// holds the rows in flight: 1 if greedy; 2 and part of a third for a draw; with top-p at most one more for each bit in
// which logits can differ (16 in bf16, 19 in fp16, 32 in fp32) and 1, with top-k one for every two. An exponential in
// fp64 for every number that a sum takes in: top-p's first takes all that top-k left, the others those between bounds
// that close in.
struct Sampling {
  const void* logits;  // [rows, columns], rows `stride` elements apart
  const int64_t* key;  // [rows, 2]: request and place of the draw (unsigned); not read if greedy
  int64_t* token;      // [rows]
  int64_t stride;
  int rows, columns;  // columns >= 1, with top-k < 2^20
  Element element;
  double temperature;  // <= 0: greedy, the lowest column among the greatest
  int64_t top_k;       // <= 0 or >= columns: all
  double top_p, min_p;
  uint64_t seed;
};
void sample(const Sampling& work, Stream stream);

}  // namespace bt::kernels
