// Gathering, writing and editing chosen rows of a cache.
#include <torch/library.h>

#include "bt/ops/reference.h"
#include "cache_rows_cpu.h"
#include "scores.h"

namespace bt::ops {
namespace {

using at::indexing::Slice;

at::Tensor event_index(const at::Tensor& rows_EW) {
  return at::arange(rows_EW.size(0), rows_EW.options()).unsqueeze(1);
}

// The (event, slot) pairs that name a row.
struct Valid {
  at::Tensor event_n, slot_n, row_n;
  c10::List<std::optional<at::Tensor>> cache_index(const std::optional<at::Tensor>& place_E = {}) const {
    return {place_E ? place_E->index_select(0, event_n) : event_n, std::nullopt, row_n};
  }  // of [E, G, T, D]
};

Valid valid_slots(const at::Tensor& rows_EW) {
  const auto found = (rows_EW >= 0).nonzero_numpy();
  return {found[0], found[1], rows_EW.index({found[0], found[1]})};
}

}  // namespace

at::Tensor reference::gather_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                                  const std::optional<at::Tensor>& place_E) {
  const int64_t events = rows_EW.size(0), width = rows_EW.size(1), half = k_BGTD.size(1) * k_BGTD.size(3);
  const bool recorded = at::GradMode::is_enabled() && (k_BGTD.requires_grad() || v_BGTD.requires_grad());
  if (k_BGTD.device().is_cpu() && !recorded) return gather_rows_cpu(k_BGTD, v_BGTD, rows_EW, place_E);
  if (k_BGTD.size(2) == 0) return at::zeros({events, width, 2 * half}, k_BGTD.options());
  const at::Tensor safe = rows_EW.clamp_min(0), event = place_E ? place_E->unsqueeze(1) : event_index(rows_EW);
  const at::Tensor k = k_BGTD.index({event, Slice(), safe}).reshape({events, width, half});
  const at::Tensor v = v_BGTD.index({event, Slice(), safe}).reshape({events, width, half});
  return at::cat({k, v}, 2).masked_fill(rows_EW.unsqueeze(2) < 0, 0);
}

std::tuple<at::Tensor, at::Tensor> reference::put_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                       const at::Tensor& rows_EW, const at::Tensor& new_EWC) {
  const int64_t groups = k_BGTD.size(1), width = k_BGTD.size(3);
  const Valid valid = valid_slots(rows_EW);
  const at::Tensor rows_n2GD = new_EWC.index({valid.event_n, valid.slot_n}).view({-1, 2, groups, width});
  return {k_BGTD.index_put(valid.cache_index(), rows_n2GD.select(1, 0)),
          v_BGTD.index_put(valid.cache_index(), rows_n2GD.select(1, 1))};
}

void reference::edit_rows_(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                           const at::Tensor& u_EWC, const at::Tensor& delta_EWC, const at::Tensor& gate,
                           const std::optional<at::Tensor>& place_E) {
  const auto type = accumulation_type(k_BGTD.scalar_type());
  const int64_t groups = k_BGTD.size(1), width = k_BGTD.size(3);
  const at::Tensor new_EWC = (u_EWC.to(type) + gate.to(type) * delta_EWC.to(type)).to(k_BGTD.scalar_type());
  const Valid valid = valid_slots(rows_EW);
  const at::Tensor rows_n2GD = new_EWC.index({valid.event_n, valid.slot_n}).view({-1, 2, groups, width});
  at::Tensor k = k_BGTD, v = v_BGTD;
  k.index_put_(valid.cache_index(place_E), rows_n2GD.select(1, 0));
  v.index_put_(valid.cache_index(place_E), rows_n2GD.select(1, 1));
}

TORCH_LIBRARY_IMPL(bt, CompositeImplicitAutograd, m) {
  m.impl("gather_rows", reference::gather_rows);
  m.impl("put_rows", reference::put_rows);
}
TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("edit_rows_", reference::edit_rows_); }

}  // namespace bt::ops
