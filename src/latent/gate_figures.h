// What metrics.jsonl says of a method's gates.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/TensorBody.h>

#include "bt/core/json.h"

namespace bt {

// {"gate": [a number per layer]}: the gates themselves, the mean over a layer's heads where each has its own. logit_LX:
// [layers, gates of a layer], before the sigmoid. Waits for the device.
Json gate_figures(const at::Tensor& logit_LX);

}  // namespace bt
