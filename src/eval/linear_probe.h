// How well a linear map tells the classes of vectors apart.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bt {

// Share of vectors whose class is named right by a probe that has not seen them: ridge regression on indicator
// variables of the classes, features standardised on the training fold, the largest output decides. Two folds, each
// tested by a probe trained on the other. x_NC fp64; class_N int64 in [0, classes); fold_N int64, 0 or 1, both present.
// `ridge`: penalty for a vector of the training fold. Cost: O(N C^2 + C^3).
double linear_probe_accuracy(const at::Tensor& x_NC, const at::Tensor& class_N, const at::Tensor& fold_N,
                             int64_t classes, double ridge);

}  // namespace bt
