#include "call_entries.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/latent/effects.h"

namespace bt {
namespace {

at::Tensor on_cpu(const at::Tensor& x) { return x.to(at::kCPU, at::kFloat); }

// Slots of one event: of the newest recent row first, and of what was recalled.
struct Slots {
  std::vector<int64_t> recent, recalled;
  Slots(const at::Tensor& kind_W, const at::Tensor& position_W) {
    for (int64_t w = 0; w < kind_W.size(0); ++w) {
      const auto kind = static_cast<RowKind>(kind_W[w].item<int64_t>());
      if (kind == RowKind::recent) recent.push_back(w);
      if (kind == RowKind::recalled) recalled.push_back(w);
    }
    const auto position = [&](int64_t w) { return position_W[w].item<int64_t>(); };
    std::ranges::sort(recent, [&](int64_t a, int64_t b) { return position(a) > position(b); });
  }
};

at::Tensor features_FC(const at::Tensor& entry_WC, const Slots& slots, int64_t rows) {
  at::Tensor out = at::zeros({rows + 1, entry_WC.size(1)}, entry_WC.options());
  const int64_t newest = std::min<int64_t>(rows, static_cast<int64_t>(slots.recent.size()));
  for (int64_t f = 0; f < newest; ++f) out[f] = entry_WC[slots.recent[static_cast<size_t>(f)]];
  if (!slots.recalled.empty()) out[rows] = entry_WC.index_select(0, at::tensor(slots.recalled)).mean(0);
  return out;
}

}  // namespace

void KeptEntries::edited(const Events& events, const Edit& edit) {
  const at::Tensor before_YEWC = on_cpu(events.u_YEWC),
                   after_YEWC = on_cpu(events.u_YEWC + edit.gate * edit.delta_YEWC);
  const at::Tensor kind_YEW = events.kind_YEW.cpu(), position_YEW = events.position_YEW.cpu();
  const at::Tensor source_E = events.source_E.cpu(), ordinal_E = events.ordinal_E.cpu();
  by_layer_.resize(std::max(by_layer_.size(), static_cast<size_t>(events.layer_end)));
  for (int64_t y = 0; y < before_YEWC.size(0); ++y) {
    for (int64_t e = 0; e < before_YEWC.size(1); ++e) {
      const Slots slots(kind_YEW[y][e], position_YEW[y][e]);
      CallEntries call;
      call.before_FC = features_FC(before_YEWC[y][e], slots, rows_);
      call.after_FC = features_FC(after_YEWC[y][e], slots, rows_);
      for (int64_t f = 0; f < rows_; ++f) call.is_present_F.push_back(f < static_cast<int64_t>(slots.recent.size()));
      call.is_present_F.push_back(!slots.recalled.empty());
      const std::pair place{source_E[e].item<int64_t>(), ordinal_E[e].item<int64_t>()};
      by_layer_[static_cast<size_t>(events.layer_begin + y)].insert_or_assign(place, std::move(call));
    }
  }
}

}  // namespace bt
