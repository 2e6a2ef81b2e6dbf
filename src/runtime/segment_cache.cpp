#include "segment_cache.h"

#include <ATen/ATen.h>

#include "bt/ops/ops.h"

namespace bt {

PaddedAttention first_attention(const at::Tensor& q_BSHD, const DepthPlan& depth, const KvView& kv,
                                const AttentionSpec& spec) {
  const bool plain = spec.softcap == 0 && (spec.window == 0 || spec.window >= depth.width) && !kv.alive_BT.defined();
  if (!plain || !q_BSHD.device().is_cpu() || depth.width == 0) {
    const ops::Attended attended = ops::segment_attention(q_BSHD, depth.query_length_B, kv, spec);
    return {attended.out_BSHD, attended.lse_BSH};
  }
  // Right padding hides behind causality, so the flash kernel needs no mask; padding queries are never read.
  auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q_BSHD.transpose(1, 2), kv.k_BGTD, kv.v_BGTD, 0.0,
                                                                    /*is_causal=*/true, std::nullopt, spec.scale);
  return {out.transpose(1, 2), lse.transpose(1, 2)};
}

SegmentCache::SegmentCache(const DevicePlan& plan, const Effects& effects, int64_t layer, const Decoder& decoder)
    : plan_(plan), effects_(effects), layer_(layer), spec_(decoder.attention(layer)), voters_(voters_of(effects)) {
  const ModelConfig& config = decoder.config;
  k_BGTD_ =
      at::zeros({plan.sequences, config.kv_heads, plan.rows, config.head_dim}, decoder.options().requires_grad(false));
  v_BGTD_ = at::zeros_like(k_BGTD_);
  if (effects.evict != nullptr)
    alive_BT_ = at::ones({plan.sequences, plan.rows}, plan.position_BT.options().dtype(at::kBool));
}

KvView SegmentCache::view(int64_t depth) const {
  const DepthPlan& at_depth = plan_.depths[static_cast<size_t>(depth)];
  const auto rows = [&](const at::Tensor& x, int64_t axis) {
    return x.narrow(0, 0, at_depth.sequences).narrow(axis, 0, at_depth.rows);
  };
  return {rows(k_BGTD_, 2), rows(v_BGTD_, 2), at_depth.rows_B, rows(plan_.position_BT, 1),
          alive_BT_.defined() ? rows(alive_BT_, 1) : at::Tensor()};
}

at::Tensor SegmentCache::attend(int64_t depth, const Qkv& qkv) {
  const DepthPlan& at_depth = plan_.depths[static_cast<size_t>(depth)];
  const c10::List<std::optional<at::Tensor>> cells{at_depth.sequence_n, std::nullopt, at_depth.row_n};
  k_BGTD_ = k_BGTD_.index_put(cells, qkv.k_NGD);
  v_BGTD_ = v_BGTD_.index_put(cells, qkv.v_NGD);
  const int64_t heads = qkv.q_NHD.size(1), width = qkv.q_NHD.size(2);
  q_BSHD_ = padded(qkv.q_NHD, at_depth);
  if (at_depth.width == 0) {
    lse_BSH_ = qkv.q_NHD.new_zeros({at_depth.sequences, 0, heads});
    return qkv.q_NHD;
  }
  const KvView kv = view(depth);
  if (depth == 0) {
    const PaddedAttention first = first_attention(q_BSHD_, at_depth, kv, spec_);
    lse_BSH_ = first.lse_BSH.detach();
    return first.out_BSHD.reshape({-1, heads, width}).index_select(0, at_depth.slot_n);
  }
  const ops::Attended attended = ops::segment_attention(q_BSHD_, at_depth.query_length_B, kv, spec_);
  lse_BSH_ = attended.lse_BSH.detach();
  return attended.out_BSHD.reshape({-1, heads, width}).index_select(0, at_depth.slot_n);
}

at::Tensor SegmentCache::act(int64_t depth, at::TensorList parameters, bool cut, const at::Tensor* replay_EW) {
  const DepthPlan& at_depth = plan_.depths[static_cast<size_t>(depth)];
  const int64_t events = at_depth.events;
  if (cut) {
    k_BGTD_ = k_BGTD_.detach();
    v_BGTD_ = v_BGTD_.detach();
  }
  if (voters_ == 0) return {};
  const KvView kv = event_view(view(depth), at_depth);
  const at::Tensor mass_ET = event_mass(at_depth, q_BSHD_, lse_BSH_, view(depth), spec_, voters_);
  const EventRows rows = event_rows(plan_, depth, kv, mass_ET, layer_, spec_.window);
  at::Tensor chosen_rows;
  if (effects_.rewrite != nullptr) {
    const ChosenRows chosen = choose_rows(*effects_.rewrite, rows, replay_EW);
    chosen_rows = chosen.rows_EW;
    const at::Tensor u_EWC = ops::gather_rows(kv, chosen.rows_EW);
    const Edit edit = effects_.rewrite->edit(rewrite_events(plan_, depth, layer_, u_EWC, chosen), parameters);
    const at::Tensor change_EWC = (edit.gate * edit.delta_YEWC).squeeze(0);
    figures_.add(change_EWC, u_EWC, edit.call_YE);
    const at::Tensor new_EWC = (u_EWC + change_EWC).to(u_EWC.scalar_type());
    const KvView whole{k_BGTD_, v_BGTD_, {}, {}, {}};
    std::tie(k_BGTD_, v_BGTD_) = ops::put_rows(whole, chosen.rows_EW, new_EWC);
  }
  if (effects_.evict != nullptr) {
    alive_BT_ = alive_BT_.clone();
    alive_BT_.narrow(0, 0, events).narrow(1, 0, at_depth.rows).copy_(effects_.evict->keep(rows));
  }
  return chosen_rows;
}

}  // namespace bt
