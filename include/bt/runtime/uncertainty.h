// What a trigger asks of a model: how uncertain its predictions are (docs/architecture.md, "Step boundaries").
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bt/latent/method.h"
#include "bt/text/boundaries.h"

namespace bt {

// Fills Example::uncertainty of texts, where `trigger` asks a model; otherwise leaves them alone. By the decoder alone,
// in one pass over every `batch_size` texts; or, with trigger.live, by the decoder as `method` changes its cache at the
// boundaries that arise, the response decoded token by token. No gradient. Tokens of the prompt and the first token of
// a text get 0.
void measure_uncertainty(const Decoder& decoder, const Method* method, const BoundaryTable& table,
                         const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, int64_t batch_size,
                         std::vector<Example>& texts);

// Of rows of logits: entropy of each, or surprise at the token chosen from each. Nats, computed in fp32 or fp64,
// on the host; rounded alike for given texts and in decoding, so that one threshold divides both alike.
std::vector<float> entropies(const at::Tensor& logits_AV);
std::vector<float> surprises(const at::Tensor& logits_AV, const std::vector<int32_t>& chosen);

}  // namespace bt
