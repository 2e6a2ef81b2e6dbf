#include "bt/runtime/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "bt/ops/head.h"

namespace bt {
namespace {

struct Accumulated {
  at::Tensor nll_M, correct_M;        // outputs
  at::Tensor entropy_M;               // an output, where wanted
  at::Tensor d_hidden_MC, d_head_VC;  // gradients of the loss, where wanted
};

// One chunk of rows: fills its slice of the outputs and gradients. The scale enters the products, before they are
// rounded: as a factor of bf16 it would itself be rounded, by up to 0.4 %.
void run_chunk(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& target, double softcap, double scale,
               int64_t begin, Accumulated& out) {
  const int64_t rows = hidden.size(0);
  const bool wants_gradient = out.d_hidden_MC.defined() || out.d_head_VC.defined();
  const at::Tensor logits = at::linear(hidden, head);
  const ops::TokenLosses losses = ops::cross_entropy_(logits, target, softcap, wants_gradient, out.entropy_M.defined());
  out.nll_M.narrow(0, begin, rows).copy_(losses.nll_M);
  out.correct_M.narrow(0, begin, rows).copy_(losses.correct_M);
  if (out.entropy_M.defined()) out.entropy_M.narrow(0, begin, rows).copy_(losses.entropy_M);
  const at::Tensor& d_logits = logits;  // the operator has put them there
  if (out.d_hidden_MC.defined()) out.d_hidden_MC.narrow(0, begin, rows).addmm_(d_logits, head, /*beta=*/0, scale);
  if (out.d_head_VC.defined()) out.d_head_VC.addmm_(d_logits.t(), hidden, /*beta=*/1, scale);
}

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden_MC,
                                                const at::Tensor& head_VC, const at::Tensor& target_M, double softcap,
                                                double scale, bool want_hidden, bool want_head, bool want_entropy) {
    const int64_t rows = hidden_MC.size(0), chunk = cross_entropy_chunk_rows(hidden_MC.device(), head_VC.size(0));
    const auto type = hidden_MC.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    Accumulated out;
    out.nll_M = at::empty({rows}, hidden_MC.options().dtype(type));
    out.correct_M = at::empty({rows}, hidden_MC.options().dtype(at::kBool));
    if (want_entropy) out.entropy_M = at::empty_like(out.nll_M);
    if (want_hidden) out.d_hidden_MC = at::empty_like(hidden_MC);
    if (want_head) out.d_head_VC = at::zeros_like(head_VC);
    for (int64_t begin = 0; begin < rows; begin += chunk) {
      const int64_t count = std::min(chunk, rows - begin);
      run_chunk(hidden_MC.narrow(0, begin, count), head_VC, target_M.narrow(0, begin, count), softcap, scale, begin,
                out);
    }
    const at::Tensor loss = out.nll_M.sum() * scale;
    context->save_for_backward({out.d_hidden_MC, out.d_head_VC});
    if (!want_entropy) out.entropy_M = at::empty({0}, out.nll_M.options());
    context->mark_non_differentiable({out.nll_M, out.correct_M, out.entropy_M});
    return {loss, out.nll_M, out.correct_M, out.entropy_M};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad) {
    const auto saved = context->get_saved_variables();
    const auto scaled = [&](const at::Tensor& d) {
      return d.defined() ? d * grad[0].to(d.scalar_type()) : at::Tensor();
    };
    return {scaled(saved[0]), scaled(saved[1]), {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

// A GPU needs a thousand rows of a large vocabulary for its matrix products to be worth the reading of the head, which
// every chunk does anew.
int64_t cross_entropy_chunk_rows(at::Device device, int64_t vocabulary) {
  const int64_t logits = int64_t{1} << (device.is_cpu() ? 24 : 27);
  return std::max<int64_t>(1, logits / std::max<int64_t>(1, vocabulary));
}

CrossEntropy linear_cross_entropy(const at::Tensor& hidden_MC, const at::Tensor& head_VC, const at::Tensor& target_M,
                                  double softcap, double scale, bool want_entropy) {
  const bool record = at::GradMode::is_enabled();
  const auto out =
      LinearCrossEntropy::apply(hidden_MC, head_VC, target_M, softcap, scale, record && hidden_MC.requires_grad(),
                                record && head_VC.requires_grad(), want_entropy);
  return {out[0], out[1], out[2], want_entropy ? out[3] : at::Tensor()};
}

}  // namespace bt
