#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"

namespace bt::ops {

std::tuple<at::Tensor, at::Tensor, at::Tensor> reference::cross_entropy_(const at::Tensor& logits_MV,
                                                                         const at::Tensor& target_M, double softcap,
                                                                         bool want_gradient, bool want_entropy) {
  const auto type = logits_MV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor capped = logits_MV.to(type);
  if (softcap > 0) capped = (capped / softcap).tanh_().mul_(softcap);
  const at::Tensor log_probabilities = capped.log_softmax(1), column = target_M.unsqueeze(1);
  const at::Tensor nll_M = log_probabilities.gather(1, column).squeeze(1).neg_();
  const at::Tensor correct_M = capped.argmax(1) == target_M;
  if (softcap <= 0) capped.reset();  // of reduced precision, a copy as large as what follows
  at::Tensor entropy_M = at::empty({0}, nll_M.options());
  if (!want_gradient && !want_entropy) return {nll_M, correct_M, entropy_M};
  const bool in_place = want_gradient && logits_MV.scalar_type() == type;
  at::Tensor d_logits = in_place ? logits_MV : want_entropy ? at::empty_like(log_probabilities) : log_probabilities;
  at::exp_out(d_logits, log_probabilities);
  if (want_entropy) entropy_M = (d_logits * log_probabilities).sum(1).neg();
  if (!want_gradient) return {nll_M, correct_M, entropy_M};
  d_logits.scatter_add_(1, column, at::full_like(column, -1, d_logits.options()));
  if (softcap > 0) d_logits.mul_(1 - (capped / softcap).square_());
  if (!in_place) logits_MV.copy_(d_logits);
  return {nll_M, correct_M, entropy_M};
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("cross_entropy_", reference::cross_entropy_); }

}  // namespace bt::ops
