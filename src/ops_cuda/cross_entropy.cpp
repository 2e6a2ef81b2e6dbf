#include "kernels/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"
#include "cuda_tensors.h"

namespace bt::ops {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> cross_entropy_cuda_(const at::Tensor& logits_MV,
                                                                   const at::Tensor& target_M, double softcap,
                                                                   bool want_gradient, bool want_entropy) {
  TORCH_CHECK(logits_MV.dim() == 2 && target_M.dim() == 1 && target_M.size(0) == logits_MV.size(0) &&
                  target_M.scalar_type() == at::kLong && target_M.device() == logits_MV.device(),
              "cross_entropy_: logits must be [M, V] and target int64 [M] on one device, found ", logits_MV.sizes(),
              " and ", target_M.sizes());
  const std::optional<kernels::Element> element = element_of(logits_MV.scalar_type());
  if (!element || logits_MV.stride(1) != 1 || logits_MV.size(1) == 0)
    return reference::cross_entropy_(logits_MV, target_M, softcap, want_gradient, want_entropy);
  const at::Tensor target = target_M.contiguous();
  const int64_t rows = logits_MV.size(0);
  const auto options = logits_MV.options().dtype(at::kFloat);
  const at::Tensor nll_M = at::empty({rows}, options), correct_M = at::empty({rows}, options.dtype(at::kBool)),
                   entropy_M = at::empty({want_entropy ? rows : 0}, options);
  const OnDeviceOf device(logits_MV);
  kernels::cross_entropy(
      {logits_MV.mutable_data_ptr(), target.const_data_ptr<int64_t>(), nll_M.mutable_data_ptr<float>(),
       correct_M.mutable_data_ptr<bool>(), want_entropy ? entropy_M.mutable_data_ptr<float>() : nullptr,
       logits_MV.stride(0), as_int(rows, "the number of rows"), as_int(logits_MV.size(1), "the vocabulary"), *element,
       static_cast<float>(softcap), want_gradient},
      device.stream());
  device.check();
  return {nll_M, correct_M, entropy_M};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) { m.impl("cross_entropy_", cross_entropy_cuda_); }

}  // namespace bt::ops
