// Whether to act at a boundary, learned: a probability for every layer, read off the newest of the chosen rows.
// In training the change is multiplied by it, so that its gradient is exact; otherwise a layer acts from a half on.
//
// Axes: Y layers, E events, W entries, C = 2 G D.
#pragma once

#include "bt/latent/effects.h"

namespace bt {

struct LearnedCall {
  at::Tensor factor_YE11;     // multiplies the gate: the probability in training, else 0 or 1
  at::Tensor probability_YE;  // of acting, no gradient; outside training 0 or 1
};

// `u_YEWC`: the entries as the method reads them; `weight_YC`, `bias_Y1` its parameters. An event without rows does not
// act. In training each event adds `cost` * Events::call_weight * its probability to the loss that the factor's users
// are differentiated for; the loss's value does not show it. Differentiable.
LearnedCall learned_call(const Events& events, const at::Tensor& u_YEWC, const at::Tensor& weight_YC,
                         const at::Tensor& bias_Y1, double cost);

}  // namespace bt
