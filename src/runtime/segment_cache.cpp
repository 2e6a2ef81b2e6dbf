#include "segment_cache.h"

#include <ATen/ATen.h>

#include "bt/ops/ops.h"

namespace bt {

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
  const KvView own{rows(k_BGTD_, 2), rows(v_BGTD_, 2), at_depth.rows_B, rows(plan_.position_BT, 1),
                   alive_BT_.defined() ? rows(alive_BT_, 1) : at::Tensor()};
  if (!appended_.k_BGTD.defined()) return own;
  const auto both = [&](const at::Tensor& front, const at::Tensor& x, int64_t axis) {
    return at::cat({front.narrow(0, 0, at_depth.sequences), x}, axis);
  };
  return {both(appended_.k_BGTD, own.k_BGTD, 2), both(appended_.v_BGTD, own.v_BGTD, 2),
          own.length_B + appended_.k_BGTD.size(2), both(appended_.position_BT, own.position_BT, 1),
          both(appended_.alive_BT, at::ones_like(own.position_BT, at::kBool), 1)};
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
    const ops::Attended first = ops::causal_attention(q_BSHD_, at_depth.query_length_B, kv, spec_);
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
    for (at::Tensor* x : {&k_BGTD_, &v_BGTD_, &appended_.k_BGTD, &appended_.v_BGTD}) {
      if (x->defined()) *x = x->detach();
    }
  }
  if (voters_ == 0) return {};
  const KvView whole = view(depth), kv = event_view(whole, at_depth);
  const at::Tensor mass_ET = event_mass(at_depth, q_BSHD_, lse_BSH_, whole, spec_, voters_);
  const EventRows rows = event_rows(plan_, depth, kv, mass_ET, layer_, spec_.window);
  const at::Tensor keep_ET = effects_.evict != nullptr ? effects_.evict->keep(rows) : at::Tensor();
  const at::Tensor chosen_EW = effects_.edits() != nullptr ? edit(kv, rows, parameters, replay_EW) : at::Tensor();
  if (keep_ET.defined()) {
    alive_BT_ = alive_BT_.clone();
    alive_BT_.narrow(0, 0, events).narrow(1, 0, at_depth.rows).copy_(keep_ET);
  }
  return chosen_EW;
}

at::Tensor SegmentCache::edit(const KvView& kv, const EventRows& rows, at::TensorList parameters,
                              const at::Tensor* replay_EW) {
  const ChosenRows chosen = choose_rows(*effects_.edits(), rows, replay_EW);
  const at::Tensor u_EWC = ops::gather_rows(kv, chosen.rows_EW);
  const Events events = rewrite_events(rows, u_EWC, chosen, plan_.call_weight);
  const Edit edited = effects_.edits()->edit(events, parameters);
  const at::Tensor change_EWC = (edited.gate * edited.delta_YEWC).squeeze(0);
  figures_.add(change_EWC, u_EWC, edited.call_YE);
  figures_.settle();
  const at::Tensor new_EWC = (u_EWC + change_EWC).to(u_EWC.scalar_type());
  if (effects_.append_rows != nullptr) {
    append(chosen, events.position_YEW.squeeze(0), new_EWC);
  } else {
    std::tie(k_BGTD_, v_BGTD_) = ops::put_rows({k_BGTD_, v_BGTD_, {}, {}, {}}, chosen.rows_EW, new_EWC);
  }
  return chosen.rows_EW;
}

void SegmentCache::append(const ChosenRows& chosen, const at::Tensor& position_EW, const at::Tensor& new_EWC) {
  const KvView now = entries_of(new_EWC, k_BGTD_.size(1));
  const auto behind = [&](const at::Tensor& before, const at::Tensor& x, int64_t axis) {
    return before.defined() ? at::cat({before.narrow(0, 0, x.size(0)), x}, axis) : x;
  };
  appended_ = {behind(appended_.k_BGTD, now.k_BGTD, 2),
               behind(appended_.v_BGTD, now.v_BGTD, 2),
               {},
               behind(appended_.position_BT, position_EW, 1),
               behind(appended_.alive_BT, chosen.rows_EW >= 0, 1)};
}

}  // namespace bt
