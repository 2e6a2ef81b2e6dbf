// Untrained compression: when a step ends, its rows are merged into at most M gist rows, each of neighbours in the
// text.
//
// Ours, of known parts. Contiguous rows become one and the most attended row of a group carries it, as the pivot tokens
// of KVMerger do (arXiv 2407.08454, which finds its groups by likeness and weights by a Gaussian kernel). Its value is
// the group's mean by attention mass; its key and position stay its own, since a mean of keys rotated by different
// positions is the key of no position: CaM (ICML 2024) merges values alone too, D2O (arXiv 2406.13035) keys as well.
#include <ATen/ATen.h>

#include "bt/ops/ops.h"
#include "methods.h"

namespace bt {
namespace {

class Gist final : public Method, public Rewrite, public Evict {
 public:
  explicit Gist(const GistOptions& options) : options_(options) {}

  std::string_view name() const override { return "gist"; }
  Effects effects() const override { return {.rewrite = this, .evict = this}; }
  int64_t recent_capacity() const override { return options_.recent; }
  int64_t voters() const override { return options_.recent; }

  // All rows of the step.
  ChosenRows choose(const EventRows& events) const override {
    const at::Tensor row_T = at::arange(events.mass_ET.size(1), events.rows_E.options());
    at::Tensor step_ET = (row_T >= events.step_begin_E.unsqueeze(1)).logical_and(row_T < events.rows_E.unsqueeze(1));
    if (events.alive_ET.defined()) step_ET = step_ET.logical_and(events.alive_ET);
    const int64_t most = step_ET.numel() > 0 ? step_ET.sum(1).max().item<int64_t>() : 0;
    const at::Tensor rows_EW = ops::select_top(step_ET.to(events.mass_ET.scalar_type()) - 0.5, most);
    return {rows_EW, at::where(rows_EW >= 0, static_cast<int64_t>(RowKind::recent), static_cast<int64_t>(RowKind::pad))
                         .to(at::kChar)};
  }

  // Carriers get the mean value of their group.
  Edit edit(const Events& events, at::TensorList /*parameters*/) const override {
    const auto halves = events.u_YEWC.flatten(0, 1).chunk(2, -1);
    const at::Tensor& v_ZWC = halves[1];
    const Groups groups = groups_of(events.kind_YEW.flatten(0, 1), events.mass_YEW.flatten(0, 1));
    const at::Tensor weight_ZWM = groups.mass_ZWM.to(v_ZWC.scalar_type()), member_ZWM = groups.member_ZWM.to(v_ZWC);
    const at::Tensor sum_Z1M = weight_ZWM.sum(1, /*keepdim=*/true);
    // Where no voter saw any of them, all weigh the same.
    const at::Tensor share_ZWM = at::where(sum_Z1M > 0, weight_ZWM / sum_Z1M.clamp_min(1e-30),
                                           member_ZWM / member_ZWM.sum(1, /*keepdim=*/true).clamp_min(1));
    const at::Tensor mean_ZMC = at::matmul(share_ZWM.transpose(1, 2), v_ZWC);
    const at::Tensor mean_ZWC = at::matmul(member_ZWM, mean_ZMC);  // of its own group, for every row
    const at::Tensor delta_ZWC = (mean_ZWC - v_ZWC) * groups.carrier_ZW.unsqueeze(2);
    return {at::cat({at::zeros_like(delta_ZWC), delta_ZWC}, -1).view(events.u_YEWC.sizes()),
            at::ones({1, 1, 1, 1}, v_ZWC.options())};
  }

  // Rows before the step, and its carriers.
  at::Tensor keep(const EventRows& events) const override {
    const ChosenRows chosen = choose(events);
    const int64_t rows = events.mass_ET.size(1);
    const at::Tensor mass_EW = events.mass_ET.gather(1, chosen.rows_EW.clamp_min(0));
    const at::Tensor gone_EW = groups_of(chosen.kind_EW, mass_EW).carrier_ZW.logical_not();
    at::Tensor kept_ET = at::ones({events.mass_ET.size(0), rows + 1}, gone_EW.options());
    kept_ET.scatter_(1, chosen.rows_EW.masked_fill(chosen.rows_EW < 0, rows), gone_EW.logical_not());
    const at::Tensor out_ET = kept_ET.narrow(1, 0, rows);
    return events.alive_ET.defined() ? out_ET.logical_and(events.alive_ET) : out_ET;
  }

 private:
  // Z events of one layer or of several; every entry belongs to one of M groups.
  struct Groups {
    at::Tensor member_ZWM, mass_ZWM;  // bool; the mass of members, 0 elsewhere
    at::Tensor carrier_ZW;            // bool: the first of greatest mass of its group
  };

  // Entry w of n goes to group w where there are no more than M, else to floor(w M / n).
  Groups groups_of(const at::Tensor& kind_ZW, const at::Tensor& mass_ZW) const {
    const at::Tensor real_ZW = kind_ZW != static_cast<int64_t>(RowKind::pad);
    const auto whole = real_ZW.options().dtype(at::kLong);
    const at::Tensor w_W = at::arange(kind_ZW.size(1), whole), n_Z1 = real_ZW.sum(1, /*keepdim=*/true);
    const at::Tensor group_ZW = (w_W * options_.rows).floor_divide(n_Z1.clamp_min(options_.rows));
    const at::Tensor member_ZWM =
        (group_ZW.unsqueeze(2) == at::arange(options_.rows, whole)).logical_and(real_ZW.unsqueeze(2));
    const at::Tensor own_ZWM = mass_ZW.unsqueeze(2).expand(member_ZWM.sizes());
    if (kind_ZW.size(1) == 0) return {member_ZWM, own_ZWM, real_ZW};
    const at::Tensor judged_ZWM = own_ZWM.masked_fill(member_ZWM.logical_not(), -1);
    const at::Tensor best_ZWM = member_ZWM.logical_and(judged_ZWM == judged_ZWM.amax(1, /*keepdim=*/true));
    const at::Tensor first_ZWM = best_ZWM.logical_and(best_ZWM.cumsum(1) == 1);
    return {member_ZWM, own_ZWM.masked_fill(member_ZWM.logical_not(), 0), first_ZWM.any(2)};
  }

  GistOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_gist(const GistOptions& options, const MethodContext&) {
  return std::make_unique<Gist>(options);
}

}  // namespace bt
