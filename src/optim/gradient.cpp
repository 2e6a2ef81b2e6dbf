#include "bt/optim/gradient.h"

#include <ATen/ATen.h>

#include <cmath>

namespace bt {
namespace {

// Slice by slice: the sum in fp64 copies what it reads to fp64, twice the gradient's own bytes if taken whole.
at::Tensor sum_of_squares(const at::Tensor& flat) {
  constexpr int64_t kSlice = int64_t{1} << 24;
  at::Tensor sum = at::zeros({}, flat.options().dtype(at::kDouble));
  for (const at::Tensor& slice : flat.split(kSlice))
    sum += at::linalg_vector_norm(slice, 2, at::OptionalIntArrayRef(), false, at::kDouble).square();
  return sum;
}

}  // namespace

double gradient_norm(const ParameterStores& stores) {
  at::Tensor squares;
  for (const ParameterStore* store : stores) {
    const at::Tensor own = sum_of_squares(store->flat_grad());
    squares = squares.defined() ? squares + own : own;
  }
  return squares.defined() ? std::sqrt(squares.item<double>()) : 0;
}

void clip_gradient_(const ParameterStores& stores, double norm, double limit) {
  if (limit == 0 || norm <= limit) return;
  for (const ParameterStore* store : stores) store->flat_grad().mul_(limit / norm);
}

}  // namespace bt
