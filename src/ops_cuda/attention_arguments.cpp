#include "attention_arguments.h"

namespace bt::ops {
namespace {

kernels::Element element(at::ScalarType type) {
  if (type == at::kBFloat16) return kernels::Element::bf16;
  return type == at::kHalf ? kernels::Element::fp16 : kernels::Element::fp32;
}

kernels::Strides strides(const at::Tensor& x) { return {x.stride(0), x.stride(1), x.stride(2)}; }

at::Tensor rows_side_by_side(const at::Tensor& x_BT) {
  return x_BT.stride(1) == 1 || x_BT.size(1) <= 1 ? x_BT : x_BT.contiguous();
}

}  // namespace

AttentionArguments::AttentionArguments(const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k,
                                       const at::Tensor& v, const at::Tensor& length, const at::Tensor& position,
                                       const std::optional<at::Tensor>& alive, const AttentionSpec& spec, Cache cache)
    : q_BSHD(q), k_BGTD(k), v_BGTD(v) {
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && v.sizes() == k.sizes() &&
                  (cache == Cache::of_sequences_by_place || q.size(0) == k.size(0)) && q.size(3) == k.size(3),
              "attention: q must be [B, S, H, D] and k, v [B, G, T, D], found ", q.sizes(), ", ", k.sizes(), ", ",
              v.sizes());
  TORCH_CHECK(query_length.numel() == q.size(0) && length.numel() == q.size(0) && position.size(0) == q.size(0) &&
                  (cache == Cache::of_rows_by_table || position.size(1) == k.size(2)),
              "attention: lengths must be [B] and positions [B, T], found ", query_length.sizes(), ", ", length.sizes(),
              ", ", position.sizes());
  const bool alike = k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type();
  const bool dense = q.stride(3) == 1 && k.stride(3) == 1 && v.stride(3) == 1;
  const bool counted = query_length.scalar_type() == at::kLong && length.scalar_type() == at::kLong &&
                       position.scalar_type() == at::kLong;
  fits_ = alike && dense && counted;
  if (!fits_) return;
  query_length_B = query_length.contiguous();
  length_B = length.contiguous();
  position_BT = rows_side_by_side(position);
  work.type = element(q.scalar_type());
  work.sequences = as_int(q.size(0), "the number of sequences");
  work.queries = as_int(q.size(1), "the number of queries");
  work.heads = as_int(q.size(2), "the number of heads");
  work.groups = as_int(k.size(1), "the number of key/value heads");
  work.rows = as_int(position.size(1), "the number of cached rows");
  work.width = as_int(q.size(3), "the head width");
  work.q = q.const_data_ptr();
  work.k = k.const_data_ptr();
  work.v = v.const_data_ptr();
  work.q_stride = strides(q);
  work.k_stride = strides(k);
  work.v_stride = strides(v);
  work.query_length = query_length_B.const_data_ptr<int64_t>();
  work.length = length_B.const_data_ptr<int64_t>();
  work.position = position_BT.const_data_ptr<int64_t>();
  work.position_stride = position_BT.stride(0);
  if (alive.has_value() && alive->defined()) {
    alive_BT = rows_side_by_side(*alive);
    work.alive = alive_BT.const_data_ptr<bool>();
    work.alive_stride = alive_BT.stride(0);
  }
  work.scale = static_cast<float>(spec.scale);
  work.softcap = static_cast<float>(spec.softcap);
  work.window = spec.window;
}

}  // namespace bt::ops
