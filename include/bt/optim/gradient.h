// The gradient of everything that is trained, as one vector over the flat buffers of its stores.
#pragma once

#include <vector>

#include "bt/model/parameters.h"

namespace bt {

// The stores an optimiser updates together. Not owned.
using ParameterStores = std::vector<ParameterStore*>;

// Euclidean norm over all stores, summed in fp64: not finite exactly when some element is not. One device sync.
double gradient_norm(const ParameterStores& stores);

// Scales the gradient so that its norm, which is `norm` now, is at most `limit`. Limit 0: leaves it alone.
void clip_gradient_(const ParameterStores& stores, double norm, double limit);

}  // namespace bt
