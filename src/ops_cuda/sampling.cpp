#include "kernels/sampling.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "cuda_tensors.h"

namespace bt::ops {
namespace {

at::Tensor sample_cuda(const at::Tensor& logits_AV, const std::optional<at::Tensor>& key_A2, double temperature,
                       int64_t top_k, double top_p, double min_p, int64_t seed) {
  const std::optional<kernels::Element> element = element_of(logits_AV.scalar_type());
  TORCH_CHECK(element && logits_AV.dim() == 2 && logits_AV.size(1) > 0,
              "sample: logits must be [A, V] in fp32, bf16 or fp16, found ", logits_AV.scalar_type(), " ",
              logits_AV.sizes());
  TORCH_CHECK(top_k <= 0 || logits_AV.size(1) < (1 << 20), "sample: top-k takes vocabularies below 2^20, found ",
              logits_AV.size(1));
  const int64_t rows = logits_AV.size(0);
  at::Tensor key;
  if (temperature > 0) {
    TORCH_CHECK(key_A2 && key_A2->dim() == 2 && key_A2->size(0) == rows && key_A2->size(1) == 2 &&
                    key_A2->scalar_type() == at::kLong && key_A2->device() == logits_AV.device(),
                "sample: a draw needs a key, int64 [A, 2], on the device of the logits");
    key = key_A2->contiguous();
  }
  const at::Tensor logits = logits_AV.stride(1) == 1 ? logits_AV : logits_AV.contiguous();
  at::Tensor token_A = at::empty({rows}, logits.options().dtype(at::kLong));
  const OnDeviceOf device(logits);
  kernels::sample({logits.const_data_ptr(), key.defined() ? key.const_data_ptr<int64_t>() : nullptr,
                   token_A.mutable_data_ptr<int64_t>(), logits.stride(0), as_int(rows, "the number of rows"),
                   as_int(logits.size(1), "the vocabulary"), *element, temperature, top_k, top_p, min_p,
                   static_cast<uint64_t>(seed)},
                  device.stream());
  device.check();
  return token_A;
}

void penalise_cuda_(const at::Tensor& logits_AV, const at::Tensor& id_N, const at::Tensor& end_A, double penalty) {
  TORCH_CHECK(logits_AV.scalar_type() == at::kFloat && logits_AV.dim() == 2 && logits_AV.stride(1) == 1 &&
                  id_N.scalar_type() == at::kInt && id_N.is_contiguous() && end_A.scalar_type() == at::kLong &&
                  end_A.is_contiguous() && end_A.numel() == logits_AV.size(0) && id_N.device() == logits_AV.device() &&
                  end_A.device() == logits_AV.device(),
              "penalise_: logits must be fp32 [A, V], id int32 [N] and end int64 [A], all on one device");
  const OnDeviceOf device(logits_AV);
  kernels::penalise(
      {logits_AV.mutable_data_ptr<float>(), id_N.const_data_ptr<int32_t>(), end_A.const_data_ptr<int64_t>(),
       logits_AV.stride(0), as_int(logits_AV.size(0), "the number of rows"),
       as_int(logits_AV.size(1), "the vocabulary"), static_cast<float>(penalty)},
      device.stream());
  device.check();
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) {
  m.impl("sample", sample_cuda);
  m.impl("penalise_", penalise_cuda_);
}

}  // namespace bt::ops
