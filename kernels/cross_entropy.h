// Cross-entropy of rows of logits and its gradient, in one launch.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// With s = softcap * tanh(x / softcap), or x where softcap is 0, row by row:
// nll = log sum_v exp(s_v) - s_target; correct: the target is the greatest of s, the lowest column among equals;
// entropy of the distribution, nats; gradient: d nll / d x, rounded once to the logits' type, over the logits. It has
// no factor: with one over the number of tokens, small probabilities would be lost in fp16. A row that holds NaN or
// +infinity, or whose target is no column, has an nll of NaN.
//
// A block per row. Every row is read once, in the order of columns, for maximum and sum together (Milakov and
// Gimelshein 2018, arXiv 1805.02867); for the gradient once more, and written. The second read comes from the L2 cache
// as long as it holds the rows in flight. In registers: one pack of 16 bytes and four numbers a thread.
struct CrossEntropy {
  void* logits;           // [rows, columns], rows `stride` elements apart
  const int64_t* target;  // [rows]
  float* nll;             // [rows]
  bool* correct;          // [rows]
  float* entropy;         // [rows], or null
  int64_t stride;
  int rows, columns;  // columns >= 1
  Element element;
  float softcap;
  bool want_gradient;
};
void cross_entropy(const CrossEntropy& work, Stream stream);

}  // namespace bt::kernels
