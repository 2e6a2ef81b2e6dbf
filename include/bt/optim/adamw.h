// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) on flat parameter buffers: one fused call per parameter group. It
// works on the stores' masters, so in at least fp32, and refreshes the weights that compute.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bt/optim/gradient.h"

namespace bt {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;  // decoupled: a step multiplies the weights of decaying groups by 1 - lr * weight_decay
};

class AdamW {
 public:
  // The stores outlive the optimiser. Two buffers of the size, dtype and device of each store's masters are allocated.
  AdamW(ParameterStores stores, AdamWOptions options);

  // One update from the stores' gradients; a group's rate is lr * lr_multiplier. Gradients are left as they are.
  void step(double lr);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  // The running averages, for checkpoints: "<store index>.exp_avg" and "<store index>.exp_avg_sq", each [count].
  // Loading copies into these and sets the step.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  struct Averages {
    at::Tensor first, second;
  };
  ParameterStores stores_;
  AdamWOptions options_;
  std::vector<Averages> averages_;  // one per store
  int64_t steps_ = 0;
};

}  // namespace bt
