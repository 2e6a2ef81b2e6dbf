// Untrained control: the chosen rows' values move towards their mean; keys stay.
#include <ATen/ATen.h>

#include "bt/latent/row_choice.h"
#include "methods.h"

namespace bt {
namespace {

class MeanShift final : public Method, public Rewrite {
 public:
  explicit MeanShift(const MeanShiftOptions& options) : options_(options) {}

  std::string_view name() const override { return "mean_shift"; }
  Effects effects() const override { return {.rewrite = this}; }
  int64_t recent_capacity() const override { return options_.rows.recent; }
  ChosenRows choose(const EventRows& events) const override { return choose_rows(events, options_.rows); }
  bool is_recordable() const override { return bt::is_recordable(options_.rows); }

  Edit edit(const Events& events, at::TensorList /*parameters*/) const override {
    const auto halves = events.u_YEWC.chunk(2, -1);
    const at::Tensor real = (events.kind_YEW != static_cast<int64_t>(RowKind::pad)).unsqueeze(-1);
    const at::Tensor count = real.sum(2, /*keepdim=*/true).clamp_min(1);
    const at::Tensor mean = (halves[1] * real).sum(2, /*keepdim=*/true) / count;
    const at::Tensor delta = at::cat({at::zeros_like(halves[0]), (mean - halves[1]) * real}, -1);
    return {delta, at::full({1, 1, 1, 1}, options_.strength, delta.options())};
  }

 private:
  MeanShiftOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_mean_shift(const MeanShiftOptions& options, const MethodContext&) {
  return std::make_unique<MeanShift>(options);
}

}  // namespace bt
