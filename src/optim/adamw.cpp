#include "bt/optim/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>

#include "bt/core/strings.h"

namespace bt {

AdamW::AdamW(ParameterStores stores, AdamWOptions options) : stores_(std::move(stores)), options_(options) {
  for (const ParameterStore* store : stores_) {
    averages_.push_back({at::zeros_like(store->masters()), at::zeros_like(store->masters())});
  }
}

void AdamW::step(double lr) {
  const at::NoGradGuard no_grad;
  ++steps_;  // the fused operator reads the count of the step it makes, and leaves it as it is
  for (size_t i = 0; i < stores_.size(); ++i) {
    const at::Tensor weights = stores_[i]->masters(), gradient = stores_[i]->flat_grad();
    const at::Tensor count = at::full({}, static_cast<double>(steps_), weights.options().dtype(at::kFloat));
    for (const ParameterGroup& group : stores_[i]->groups()) {
      const auto slice = [&](const at::Tensor& flat) { return flat.slice(0, group.begin, group.end); };
      const double decay = group.decay ? options_.weight_decay : 0;
      at::_fused_adamw_({slice(weights)}, {slice(gradient)}, {slice(averages_[i].first)}, {slice(averages_[i].second)},
                        {}, {count}, lr * group.lr_multiplier, options_.beta1, options_.beta2, decay, options_.eps,
                        /*amsgrad=*/false, /*maximize=*/false);
    }
    stores_[i]->refresh();
  }
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (size_t i = 0; i < averages_.size(); ++i) {
    tensors.emplace_back(str(i, ".exp_avg"), averages_[i].first);
    tensors.emplace_back(str(i, ".exp_avg_sq"), averages_[i].second);
  }
  return tensors;
}

}  // namespace bt
