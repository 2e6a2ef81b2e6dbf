#include "linear_probe.h"

#include <ATen/ATen.h>

namespace bt {
namespace {

struct Fold {
  at::Tensor x_NC, class_N;
};

int64_t right(const Fold& train, const Fold& test, int64_t classes, double ridge) {
  const at::Tensor mean_C = train.x_NC.mean(0);
  at::Tensor scale_C = train.x_NC.std(0, /*unbiased=*/false);
  scale_C = scale_C.masked_fill(scale_C < 1e-12, 1);  // what never varies says nothing
  const auto standardised = [&](const at::Tensor& x_NC) { return (x_NC - mean_C) / scale_C; };
  const at::Tensor x_NC = standardised(train.x_NC);
  const at::Tensor is_class_NL = at::one_hot(train.class_N, classes).to(x_NC.scalar_type());
  const at::Tensor share_L = is_class_NL.mean(0);
  const at::Tensor penalty_CC = at::eye(x_NC.size(1), x_NC.options()) * (ridge * static_cast<double>(x_NC.size(0)));
  const at::Tensor weight_CL =
      at::linalg_solve(x_NC.t().matmul(x_NC) + penalty_CC, x_NC.t().matmul(is_class_NL - share_L));
  const at::Tensor guess_N = (standardised(test.x_NC).matmul(weight_CL) + share_L).argmax(1);
  return guess_N.eq(test.class_N).sum().item<int64_t>();
}

}  // namespace

double linear_probe_accuracy(const at::Tensor& x_NC, const at::Tensor& class_N, const at::Tensor& fold_N,
                             int64_t classes, double ridge) {
  const auto fold = [&](int64_t number) {
    const at::Tensor at_n = fold_N.eq(number).nonzero().squeeze(1);
    return Fold{x_NC.index_select(0, at_n), class_N.index_select(0, at_n)};
  };
  const Fold a = fold(0), b = fold(1);
  const int64_t count = right(a, b, classes, ridge) + right(b, a, classes, ridge);
  return static_cast<double>(count) / static_cast<double>(class_N.size(0));
}

}  // namespace bt
