// Operators on the logits of a head: the loss of given tokens, and the choice of the next. Registered as
// torch.ops.bt.<name>; no gradient of their own. Axes: M supervised tokens, A rows to choose for, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bt::ops {

struct TokenLosses {
  at::Tensor nll_M;      // natural log; at least fp32
  at::Tensor correct_M;  // bool: the greatest logit (lowest id among equals) is the target's
  at::Tensor entropy_M;  // of the distribution, nats; [0] unless asked for
};

// Losses of logits softcap * tanh(x / softcap), or x where softcap is 0, with target_M int64 in [0, V). With
// want_gradient the gradient of each row's nll takes the place of its logits_MV, in their dtype. Sums are in fp32, in
// fp64 for fp64.
TokenLosses cross_entropy_(const at::Tensor& logits_MV, const at::Tensor& target_M, double softcap, bool want_gradient,
                           bool want_entropy);

// Which token comes next; meaning, order and defaults as in SamplingOptions (bt/runtime/sampling.h).
struct SampleSpec {
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1, min_p = 0;
  uint64_t seed = 0;
};

// Whether `sample` takes these logits: kernels are built and opened, and the logits are on their device in fp32, bf16
// or fp16. There is no other form: on a host, bt::sample chooses.
bool can_sample(const at::Tensor& logits_AV);

// token_A, int64 and on the device of the logits; -1 for a row whose greatest logit is not finite. key_A2 int64, on the
// same device: request and place of each row's draw; not needed if greedy. Waits for nothing.
at::Tensor sample(const at::Tensor& logits_AV, const at::Tensor& key_A2, const SampleSpec& spec);

// Divides the named logits by `penalty` above 0, else multiplies them, in place. Where can_sample and logits_AV is
// fp32. id_N int32: those of row 0, then of row 1 …, none twice in a row, ids >= V passed over; end_A int64: where
// those of a row end. Both on the device of the logits.
void penalise_(const at::Tensor& logits_AV, const at::Tensor& id_N, const at::Tensor& end_A, double penalty);

}  // namespace bt::ops
