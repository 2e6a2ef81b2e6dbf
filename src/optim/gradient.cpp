#include "bt/optim/gradient.h"

#include <ATen/ATen.h>

#include <cmath>

namespace bt {

double gradient_norm(const ParameterStores& stores) {
  at::Tensor squares;
  for (const ParameterStore* store : stores) {
    const at::Tensor norm =
        at::linalg_vector_norm(store->flat_grad(), 2, at::OptionalIntArrayRef(), false, at::kDouble);
    squares = squares.defined() ? squares + norm.square() : norm.square();
  }
  return squares.defined() ? std::sqrt(squares.item<double>()) : 0;
}

void clip_gradient_(const ParameterStores& stores, double norm, double limit) {
  if (limit == 0 || norm <= limit) return;
  for (const ParameterStore* store : stores) store->flat_grad().mul_(limit / norm);
}

}  // namespace bt
