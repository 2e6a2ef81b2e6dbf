// Segment attention as one autograd node that keeps its output and log-sum-exp, no scores.
#include "kernels/segment_attention.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cuda/CUDAContext.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "attention_arguments.h"
#include "bt/ops/ops.h"
#include "bt/ops/reference.h"

namespace bt::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Pair = std::tuple<at::Tensor, at::Tensor>;
using MaybeTensor = std::optional<at::Tensor>;

Pair launched(const AttentionArguments& in) {
  const kernels::Attention& a = in.work;
  const OnDeviceOf device(in.q_BSHD);
  const int splits = kernels::segment_attention_splits(a, at::cuda::getCurrentDeviceProperties()->multiProcessorCount);
  const at::TensorOptions in_float = in.q_BSHD.options().dtype(at::kFloat);
  at::Tensor out_BSHD = at::empty(in.q_BSHD.sizes(), in.q_BSHD.options());
  at::Tensor lse_BSH = at::empty({a.sequences, a.queries, a.heads}, in_float);
  at::Tensor part_out, part_lse;
  if (splits > 1) {
    part_out = at::empty({splits, a.sequences, a.queries, a.heads, a.width}, in_float);
    part_lse = at::empty({splits, a.sequences, a.queries, a.heads}, in_float);
  }
  const auto scratch = [](const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr<float>() : nullptr; };
  kernels::segment_attention(
      {a, out_BSHD.mutable_data_ptr(), lse_BSH.mutable_data_ptr<float>(), splits, scratch(part_out), scratch(part_lse)},
      device.stream());
  device.check();
  return {out_BSHD, lse_BSH};
}

Pair attend(const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k, const at::Tensor& v,
            const at::Tensor& length, const at::Tensor& position, const MaybeTensor& alive, double scale,
            double softcap, int64_t window) {
  const AttentionArguments in(q, query_length, k, v, length, position, alive, {scale, softcap, window});
  if (in.fit()) return launched(in);
  return reference::segment_attention(q, query_length, k, v, length, position, alive, scale, softcap, window);
}

class Node : public torch::autograd::Function<Node> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& query_length,
                               const at::Tensor& k, const at::Tensor& v, const at::Tensor& length,
                               const at::Tensor& position, const MaybeTensor& alive, double scale, double softcap,
                               int64_t window) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto [out, lse] = attend(q, query_length, k, v, length, position, alive, scale, softcap, window);
    context->save_for_backward({q, query_length, k, v, length, position, alive.value_or(at::Tensor()), out, lse});
    context->saved_data["scale"] = scale;
    context->saved_data["softcap"] = softcap;
    context->saved_data["window"] = window;
    context->mark_non_differentiable({lse});
    return {out, lse};
  }

  static variable_list backward(AutogradContext* context, variable_list grad) {
    const auto s = context->get_saved_variables();
    const auto d =
        segment_attention_backward(grad[0], s[0], s[1], {s[2], s[3], s[4], s[5], s[6]},
                                   {context->saved_data["scale"].toDouble(), context->saved_data["softcap"].toDouble(),
                                    context->saved_data["window"].toInt()},
                                   {s[7], s[8]});
    return {d.q_BSHD.to(s[0].scalar_type()),
            {},
            d.k_BGTD.to(s[2].scalar_type()),
            d.v_BGTD.to(s[3].scalar_type()),
            {},
            {},
            {},
            {},
            {},
            {}};
  }
};

Pair differentiable(const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& length, const at::Tensor& position, const MaybeTensor& alive, double scale,
                    double softcap, int64_t window) {
  const auto out = Node::apply(q, query_length, k, v, length, position, alive, scale, softcap, window);
  return {out[0], out[1]};
}

// Whether a call with these queries and keys has a kernel.
bool has_kernel(const at::Tensor& q, const at::Tensor& k) {
  const at::Tensor none = at::zeros({q.size(0)}, q.options().dtype(at::kLong)),
                   position = at::zeros({q.size(0), k.size(2)}, none.options());
  return AttentionArguments(q, none, k, k, none, position, std::nullopt, {}).fit();
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("segment_attention", attend);
  m.impl("attention_has_kernel", has_kernel);
}
TORCH_LIBRARY_IMPL(bt, AutogradCUDA, m) { m.impl("segment_attention", differentiable); }

}  // namespace bt::ops
