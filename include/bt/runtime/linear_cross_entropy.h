// Cross-entropy of a linear head without holding all logits: chunks of rows, gradients formed in the forward pass.
#pragma once

#include <ATen/core/Tensor.h>

namespace bt {

struct CrossEntropy {
  at::Tensor loss;       // scale * sum of the negative log-likelihoods; scalar, at least fp32, differentiable
  at::Tensor nll_M;      // natural log, no gradient
  at::Tensor correct_M;  // bool: the most likely token (lowest id among equals) is the target
  at::Tensor entropy_M;  // of the predicted distribution, nats, no gradient; undefined unless asked for
};

// logits = softcap * tanh(x W^T / softcap) where softcap > 0. hidden_MC and head_VC same dtype, target_M int64 in [0,
// V). In 16 bits the logits are rounded to them, once; all that follows from them is in fp32, down to the gradient with
// respect to a logit, which takes the logit's place. The gradient of head_VC is rounded after every chunk. Memory: one
// chunk of logits (2^24 on a CPU, 2^27 elsewhere: 256 MiB in bf16) and the gradients of hidden_MC and, if it needs one,
// head_VC.
CrossEntropy linear_cross_entropy(const at::Tensor& hidden_MC, const at::Tensor& head_VC, const at::Tensor& target_M,
                                  double softcap, double scale, bool want_entropy = false);

// Rows whose logits exist at one time, on this device.
int64_t cross_entropy_chunk_rows(at::Device device, int64_t vocabulary);

}  // namespace bt
