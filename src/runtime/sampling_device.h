// Sampling where the logits are.
#pragma once

#include "bt/runtime/sampling.h"

namespace bt {

// token_A int64 on the device, -1 for a row whose greatest logit is not finite. Precondition: ops::can_sample.
at::Tensor sample_on_device(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys);

}  // namespace bt
