// Untrained compression in SnapKV's manner (arXiv 2404.14469): at a boundary only the rows of greatest attention mass
// and the newest ones stay visible.
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
    const at::Tensor rows_EW = choose_rows(events, choice).rows_EW;
    const at::Tensor idle_E1 = (events.rows_E <= events.step_begin_E).unsqueeze(1);  // nobody voted: everything stays
    const int64_t rows = events.mass_ET.size(1);
    at::Tensor kept_ET = at::zeros({events.mass_ET.size(0), rows + 1}, rows_EW.options().dtype(at::kBool));
    kept_ET.scatter_(1, rows_EW.masked_fill(rows_EW < 0, rows), true);
    const at::Tensor future_ET = at::arange(rows, events.rows_E.options()) >= events.rows_E.unsqueeze(1);
    const at::Tensor alive_ET = events.alive_ET.defined() ? events.alive_ET : at::ones_like(future_ET);
    return kept_ET.narrow(1, 0, rows).logical_or(idle_E1).logical_and(alive_ET).logical_or(future_ET);
  }

 private:
  EvictOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_evict(const EvictOptions& options, const MethodContext&) {
  return std::make_unique<KeepTop>(options);
}

}  // namespace bt
