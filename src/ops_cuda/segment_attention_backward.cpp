#include "kernels/segment_attention_backward.h"

#include <torch/library.h>

#include "attention_arguments.h"
#include "bt/ops/reference.h"
#include "elementwise_tensors.h"

namespace bt::ops {
namespace {

// Beside attention's own arguments: what its forward pass gave, and for a paged cache the table and the wanted rows.
struct Given {
  at::Tensor d_out_BSHD, out_BSHD, lse_BSH, table_BT, wanted_BW;
};

bool fits(const AttentionArguments& in, const at::Tensor& d_out, const at::Tensor& out, const at::Tensor& lse) {
  return in.fit() && same_kind(in.q_BSHD, d_out) && same_kind(in.q_BSHD, out) && lse.scalar_type() == at::kFloat &&
         d_out.sizes() == in.q_BSHD.sizes() && out.sizes() == in.q_BSHD.sizes() &&
         lse.sizes() == in.q_BSHD.sizes().slice(0, 3);
}

at::Tensor in_float(const at::Tensor& like, at::IntArrayRef shape) {
  return at::empty(shape, like.options().dtype(at::kFloat));
}

// d_k and d_v: views of wanted rows, of the same strides.
void launch(const AttentionArguments& in, const Given& given, const at::Tensor& d_q_BSHD, const at::Tensor& d_k_BGWD,
            const at::Tensor& d_v_BGWD) {
  const at::Tensor d_out = contiguous_in_packs(given.d_out_BSHD), out = contiguous_in_packs(given.out_BSHD),
                   lse = given.lse_BSH.contiguous();
  const at::Tensor delta_BSH = in_float(lse, lse.sizes());
  kernels::SegmentAttentionBackward work{};
  work.attention = in.work;
  work.out = out.const_data_ptr();
  work.d_out = d_out.const_data_ptr();
  work.lse = lse.const_data_ptr<float>();
  if (given.table_BT.defined()) {
    work.table = given.table_BT.const_data_ptr<int64_t>();
    work.table_stride = given.table_BT.stride(0);
    work.wanted = given.wanted_BW.const_data_ptr<int64_t>();
    work.wanted_stride = given.wanted_BW.stride(0);
  }
  work.wanted_rows = as_int(d_k_BGWD.size(2), "the number of rows");
  work.delta = delta_BSH.mutable_data_ptr<float>();
  work.d_q = d_q_BSHD.mutable_data_ptr<float>();
  work.d_k = d_k_BGWD.mutable_data_ptr<float>();
  work.d_v = d_v_BGWD.mutable_data_ptr<float>();
  work.d_stride = {d_k_BGWD.stride(0), d_k_BGWD.stride(1), d_k_BGWD.stride(2)};
  const OnDeviceOf device(in.q_BSHD);
  kernels::segment_attention_dq(work, device.stream());
  device.check();
  kernels::segment_attention_dkv(work, device.stream());
  device.check();
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> segment_attention_backward_cuda(
    const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k,
    const at::Tensor& v, const at::Tensor& length, const at::Tensor& position, const std::optional<at::Tensor>& alive,
    double scale, double softcap, int64_t window, const at::Tensor& out, const at::Tensor& lse) {
  const AttentionArguments in(q, query_length, k, v, length, position, alive, {scale, softcap, window});
  if (!fits(in, d_out, out, lse)) {
    return reference::segment_attention_backward(d_out, q, query_length, k, v, length, position, alive, scale, softcap,
                                                 window, out, lse);
  }
  const at::Tensor d_q = in_float(q, q.sizes()), d_k = in_float(k, k.sizes()), d_v = in_float(v, v.sizes());
  launch(in, {d_out, out, lse, {}, {}}, d_q, d_k, d_v);
  return {d_q, d_k, d_v};
}

// Keys or values of the pool as every sequence's, [B, G, P, D].
at::Tensor of_all_sequences(const at::Tensor& pool_P2GD, int64_t which, int64_t sequences) {
  const at::Tensor x_GPD = pool_P2GD.select(1, which).transpose(0, 1);
  return x_GPD.expand({sequences, -1, -1, -1});
}

std::tuple<at::Tensor, at::Tensor> paged_attention_backward_cuda(
    const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& pool_P2GD,
    const at::Tensor& table_BT, const at::Tensor& length, const at::Tensor& position,
    const std::optional<at::Tensor>& alive, const at::Tensor& rows_BW, double scale, double softcap, int64_t window,
    const at::Tensor& out, const at::Tensor& lse) {
  const int64_t sequences = q.size(0), groups = pool_P2GD.size(2), width = pool_P2GD.size(3), wanted = rows_BW.size(1);
  const AttentionArguments in(q, query_length, of_all_sequences(pool_P2GD, 0, sequences),
                              of_all_sequences(pool_P2GD, 1, sequences), length, position, alive,
                              {scale, softcap, window}, AttentionArguments::Cache::of_rows_by_table);
  TORCH_CHECK(table_BT.sizes() == position.sizes() && rows_BW.dim() == 2 && rows_BW.size(0) == sequences,
              "paged_attention_backward: tables must be [B, T] and rows [B, W], found ", table_BT.sizes(), " and ",
              rows_BW.sizes(), " beside positions of ", position.sizes());
  if (!fits(in, d_out, out, lse) || table_BT.scalar_type() != at::kLong || rows_BW.scalar_type() != at::kLong) {
    return reference::paged_attention_backward(d_out, q, query_length, pool_P2GD, table_BT, length, position, alive,
                                               rows_BW, scale, softcap, window, out, lse);
  }
  const at::Tensor d_q = in_float(q, q.sizes()), d_rows = in_float(q, {sequences, wanted, 2, groups, width});
  launch(in, {d_out, out, lse, table_BT.contiguous(), rows_BW.contiguous()}, d_q, d_rows.select(2, 0).transpose(1, 2),
         d_rows.select(2, 1).transpose(1, 2));
  return {d_q, d_rows.flatten(2)};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("segment_attention_backward", segment_attention_backward_cuda);
  m.impl("paged_attention_backward", paged_attention_backward_cuda);
}

}  // namespace bt::ops
