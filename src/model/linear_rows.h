// The decoder's products with its weights.
#pragma once

#include <ATen/core/Tensor.h>

namespace bt {

// x [N, in] weight [out, in]^T + bias [out] (may be undefined): at::linear, but for a few rows without gradient on the
// CPU, as in decoding. There it is one pass over the weight, whose speed is that of memory, where matrix libraries
// rearrange the weight for each product (bfloat16 without instructions of its own). A row's result is the same whatever
// rows come with it.
at::Tensor linear_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace bt
