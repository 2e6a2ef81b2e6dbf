#include "bt/runtime/attention_notice.h"

#include <ATen/ATen.h>

#include "bt/core/strings.h"
#include "bt/ops/ops.h"

namespace bt {

bool attention_has_kernel(const ModelConfig& config, const at::TensorOptions& options) {
  const at::Tensor q_BSHD = at::zeros({1, 1, config.heads, config.head_dim}, options),
                   k_BGTD = at::zeros({1, config.kv_heads, 1, config.head_dim}, options);
  return ops::attention_has_kernel(q_BSHD, k_BGTD);
}

std::string attention_notice(const Decoder& decoder) {
  const ModelConfig& config = decoder.config;
  const at::TensorOptions options = decoder.options().requires_grad(false);
  if (!options.device().is_cuda() || attention_has_kernel(config, options)) return {};
  return str("attention by LibTorch's operators, slower and with more memory: there is no kernel for heads of ",
             config.head_dim, " numbers in ", c10::toString(decoder.embedding.scalar_type()),
             "; the kernels take 64 and 128 in bfloat16 and float16");
}

}  // namespace bt
