#include <ATen/ATen.h>

#include "bt/model/decoder.h"

namespace bt {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const at::Tensor scale = at::rsqrt(at::mean(wide * wide, {-1}, true) + eps);
  return (wide * scale).to(x.scalar_type()) * weight;
}

}  // namespace bt
