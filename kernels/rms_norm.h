// Root-mean-square norm (arXiv 1910.07467) of rows, forward and backward, the residual sum before it included.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// The width is whole packs of 16 bytes, at most 8,192 elements of 16 bits or 4,096 of 32.
bool rms_norm_takes(int64_t width, Element type);

// With s = 1 / sqrt(mean(x^2) + eps), sums in fp32, y = (weight + offset) * (x s). rounds_last: one rounding, at the
// end; otherwise x s and weight + offset are each rounded to the type before they are multiplied. With a residual, what
// is normalised is x + residual as the type holds it.
// Cost: each row is read once and stays in registers, a few lanes for a narrow one and a block for a wide one; the
// weight comes from the caches.
struct RmsNorm {
  const void *x, *residual, *weight;  // [rows, width], residual or null; [width]
  void *sum, *y;                      // [rows, width]; sum: x + residual, null without
  float* scale;                       // [rows]: s
  int rows, width;
  float eps, offset;
  bool rounds_last;
  Element type;
};
void rms_norm(const RmsNorm& work, Stream stream);

// dx = s w dy - x s^3 mean(w dy x) + d_sum with w = weight + offset rounded as above, and dweight = sum of dy x s over
// the rows. Cost: x, dy and d_sum are read once. dweight: every block sums its rows in registers into a part, and a
// second launch sums the parts; both in a fixed order.
struct RmsNormBackward {
  const void *x, *weight, *dy, *d_sum;  // x: what was normalised; d_sum: the gradient of `sum`, or null
  const float* scale;                   // [rows]
  void *dx, *dweight;                   // [rows, width]; [width], or null: not wanted
  float* parts;                         // [rms_norm_parts(...), width], where dweight is wanted
  int rows, width;
  float offset;
  bool rounds_last;
  Element type;
};
void rms_norm_backward(const RmsNormBackward& work, Stream stream);
// Between 1 and 4,096, by the sizes alone.
int rms_norm_parts(int rows, int width, Element type);

}  // namespace bt::kernels
