// Branch attention as one autograd node that keeps its output and log-sum-exp, no scores.
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "bt/core/error.h"
#include "find_operator.h"

namespace bt::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Attended = std::tuple<at::Tensor, at::Tensor>;
using Forward = Attended(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                         const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double, double,
                         int64_t);
using Backward = std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                                const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                                const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                                const at::Tensor&, double, double, int64_t,
                                                                const at::Tensor&, const at::Tensor&);

class BranchAttention : public torch::autograd::Function<BranchAttention> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& position, const at::Tensor& prefix_k, const at::Tensor& prefix_v,
                               const at::Tensor& prefix_position, const at::Tensor& sequence, const at::Tensor& end,
                               double scale, double softcap, int64_t window) {
    static const auto op = find<Forward>("bt::branch_attention");
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [out, lse] =
        op.call(q, k, v, position, prefix_k, prefix_v, prefix_position, sequence, end, scale, softcap, window);
    context->save_for_backward({q, k, v, position, prefix_k, prefix_v, prefix_position, sequence, end, out, lse});
    context->saved_data["scale"] = scale;
    context->saved_data["softcap"] = softcap;
    context->saved_data["window"] = window;
    context->mark_non_differentiable({lse});
    return {out, lse};
  }

  static variable_list backward(AutogradContext* context, variable_list grad) {
    static const auto op = find<Backward>("bt::branch_attention_backward");
    const auto s = context->get_saved_variables();
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [d_q, d_k, d_v] =
        op.call(grad[0], s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], context->saved_data["scale"].toDouble(),
                context->saved_data["softcap"].toDouble(), context->saved_data["window"].toInt(), s[9], s[10]);
    return {d_q, d_k, d_v, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  }
};

Attended differentiable(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& position,
                        const at::Tensor& prefix_k, const at::Tensor& prefix_v, const at::Tensor& prefix_position,
                        const at::Tensor& sequence, const at::Tensor& end, double scale, double softcap,
                        int64_t window) {
  BT_ASSERT(!(at::GradMode::is_enabled() && (prefix_k.requires_grad() || prefix_v.requires_grad())));
  const auto out = BranchAttention::apply(q, k, v, position, prefix_k, prefix_v, prefix_position, sequence, end, scale,
                                          softcap, window);
  return {out[0], out[1]};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, Autograd, m) { m.impl("branch_attention", differentiable); }

}  // namespace bt::ops
