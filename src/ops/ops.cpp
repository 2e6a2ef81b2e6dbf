// C++ entry points: every call goes through the dispatcher, so that a CUDA kernel replaces the ATen form where built.
#include "bt/ops/ops.h"

#include "find_operator.h"

namespace bt::ops {

namespace {

// For operators that take every sequence where it is.
const KvView& in_place(const KvView& kv) {
  TORCH_CHECK(!kv.place_B.defined(), "this operator takes no places of sequences");
  return kv;
}

}  // namespace

Attended segment_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const KvView& kv,
                           const AttentionSpec& spec) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const std::optional<at::Tensor>&, double, double, int64_t)>("bt::segment_attention");
  auto [out, lse] = op.call(q_BSHD, query_length_B, in_place(kv).k_BGTD, kv.v_BGTD, kv.length_B, kv.position_BT,
                            optional(kv.alive_BT), spec.scale, spec.softcap, spec.window);
  return {out, lse};
}

bool attention_has_kernel(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD) {
  static const auto op = find<bool(const at::Tensor&, const at::Tensor&)>("bt::attention_has_kernel");
  return op.call(q_BSHD, k_BGTD);
}

AttentionGradients segment_attention_backward(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD,
                                              const at::Tensor& query_length_B, const KvView& kv,
                                              const AttentionSpec& spec, const Attended& attended) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const std::optional<at::Tensor>&, double, double, int64_t, const at::Tensor&,
      const at::Tensor&)>("bt::segment_attention_backward");
  at::NoGradGuard no_grad;
  auto [q, k, v] =
      op.call(d_out_BSHD, q_BSHD, query_length_B, in_place(kv).k_BGTD, kv.v_BGTD, kv.length_B, kv.position_BT,
              optional(kv.alive_BT), spec.scale, spec.softcap, spec.window, attended.out_BSHD, attended.lse_BSH);
  return {q, k, v};
}

PagedGradients paged_attention_backward(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD,
                                        const at::Tensor& query_length_B, const PagedKv& kv, const at::Tensor& rows_BW,
                                        const AttentionSpec& spec, const Attended& attended) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const std::optional<at::Tensor>&, const at::Tensor&, double, double, int64_t,
      const at::Tensor&, const at::Tensor&)>("bt::paged_attention_backward");
  at::NoGradGuard no_grad;
  auto [q, rows] = op.call(d_out_BSHD, q_BSHD, query_length_B, kv.pool_P2GD, kv.table_BT, kv.length_B, kv.position_BT,
                           optional(kv.alive_BT), rows_BW, spec.scale, spec.softcap, spec.window, attended.out_BSHD,
                           attended.lse_BSH);
  return {q, rows};
}

at::Tensor branch_attention(const at::Tensor& q_RSHD, const at::Tensor& k_RSGD, const at::Tensor& v_RSGD,
                            const Branches& branches, const KvView& prefix, const AttentionSpec& spec) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const at::Tensor&, const at::Tensor&, double, double, int64_t)>("bt::branch_attention");
  return std::get<0>(op.call(q_RSHD, k_RSGD, v_RSGD, branches.position_RS, in_place(prefix).k_BGTD, prefix.v_BGTD,
                             prefix.position_BT, branches.sequence_R, branches.end_R, spec.scale, spec.softcap,
                             spec.window));
}

at::Tensor attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                          const at::Tensor& voters_B, const KvView& kv, const AttentionSpec& spec) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                      const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, double, double, int64_t,
                      const std::optional<at::Tensor>&)>("bt::attention_mass");
  at::NoGradGuard no_grad;
  return op.call(q_BSHD, lse_BSH, query_length_B, voters_B, kv.k_BGTD, kv.length_B, kv.position_BT,
                 optional(kv.alive_BT), spec.scale, spec.softcap, spec.window, optional(kv.place_B));
}

at::Tensor select_top(const at::Tensor& mass_ET, int64_t k) {
  static const auto op = find<at::Tensor(const at::Tensor&, int64_t)>("bt::select_top");
  return op.call(mass_ET, k);
}

at::Tensor gather_rows(const KvView& kv, const at::Tensor& rows_EW) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&)>(
          "bt::gather_rows");
  return op.call(kv.k_BGTD, kv.v_BGTD, rows_EW, optional(kv.place_B));
}

void edit_rows_(const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& u_EWC, const at::Tensor& delta_EWC,
                const at::Tensor& gate) {
  static const auto op =
      find<void(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                const at::Tensor&, const std::optional<at::Tensor>&)>("bt::edit_rows_");
  at::NoGradGuard no_grad;
  op.call(kv.k_BGTD, kv.v_BGTD, rows_EW, u_EWC, delta_EWC, gate, optional(kv.place_B));
}

std::tuple<at::Tensor, at::Tensor> put_rows(const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& new_EWC) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&,
                                                                 const at::Tensor&, const at::Tensor&)>("bt::put_rows");
  return op.call(in_place(kv).k_BGTD, kv.v_BGTD, rows_EW, new_EWC);
}

at::Tensor visible_BST(const at::Tensor& query_length_B, int64_t queries, const KvView& kv, int64_t window) {
  static const auto op = find<at::Tensor(const at::Tensor&, int64_t, const at::Tensor&, const at::Tensor&,
                                         const std::optional<at::Tensor>&, int64_t)>("bt::visible");
  return op.call(query_length_B, queries, kv.length_B, kv.position_BT, optional(kv.alive_BT), window);
}

}  // namespace bt::ops
