// Untrained compression in SnapKV's manner (arXiv 2404.14469): at a boundary only the rows of greatest attention mass
// and the newest ones stay visible. As there, the newest queries vote, an earlier row's mass is pooled over its
// neighbours (mean or max), and the newest rows are kept. Unlike there, the votes of all heads count together, since a
// layer's rows are one list, and there may be several boundaries: the paper's is the prompt's end alone.
#include <ATen/ATen.h>

#include "bt/latent/row_choice.h"
#include "methods.h"

namespace bt {
namespace {

class KeepTop final : public Method, public Evict {
 public:
  explicit KeepTop(const EvictOptions& options) : options_(options) {}

  std::string_view name() const override { return "evict"; }
  Effects effects() const override { return {.evict = this}; }
  int64_t voters() const override { return options_.recent; }

  at::Tensor keep(const EventRows& events) const override {
    RowChoiceOptions choice;
    choice.recall = options_.keep;
    choice.recent = options_.recent;
    choice.window = "recent";
    const at::Tensor rows_EW = choose_rows(pooled(events), choice).rows_EW;
    const at::Tensor idle_E1 = (events.rows_E <= events.step_begin_E).unsqueeze(1);  // nobody voted: everything stays
    const int64_t rows = events.mass_ET.size(1);
    at::Tensor kept_ET = at::zeros({events.mass_ET.size(0), rows + 1}, rows_EW.options().dtype(at::kBool));
    kept_ET.scatter_(1, rows_EW.masked_fill(rows_EW < 0, rows), true);
    const at::Tensor future_ET = at::arange(rows, events.rows_E.options()) >= events.rows_E.unsqueeze(1);
    const at::Tensor alive_ET = events.alive_ET.defined() ? events.alive_ET : at::ones_like(future_ET);
    return kept_ET.narrow(1, 0, rows).logical_or(idle_E1).logical_and(alive_ET).logical_or(future_ET);
  }

 private:
  // Earlier rows' mass pooled over neighbours in the order of the rows that are still there; beyond the ends it is 0.
  EventRows pooled(EventRows events) const {
    if (options_.pool == 1 || events.mass_ET.numel() == 0) return events;
    at::Tensor present_ET = at::arange(events.mass_ET.size(1), events.rows_E.options()) < events.rows_E.unsqueeze(1);
    if (events.alive_ET.defined()) present_ET = present_ET.logical_and(events.alive_ET);
    const at::Tensor from_newest_ET = present_ET.flip(1).cumsum(1).flip(1);  // 1: the newest
    const at::Tensor earlier_ET = present_ET.logical_and(from_newest_ET > options_.recent);
    const at::Tensor order_ET = earlier_ET.logical_not().to(at::kByte).argsort(/*stable=*/true, /*dim=*/1);
    const at::Tensor side_by_side_E1T = (events.mass_ET * earlier_ET).gather(1, order_ET).unsqueeze(1);
    const int64_t width = options_.pool, half = options_.pool / 2;
    const at::Tensor pooled_E1T = options_.pool_by == "max" ? at::max_pool1d(side_by_side_E1T, width, 1, half)
                                                            : at::avg_pool1d(side_by_side_E1T, width, 1, half);
    const at::Tensor pooled_ET = at::zeros_like(events.mass_ET).scatter(1, order_ET, pooled_E1T.squeeze(1));
    events.mass_ET = at::where(earlier_ET, pooled_ET, events.mass_ET);
    return events;
  }

  EvictOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_evict(const EvictOptions& options, const MethodContext&) {
  return std::make_unique<KeepTop>(options);
}

}  // namespace bt
