#include "bt/latent/effects.h"

#include "bt/core/error.h"

namespace bt {

at::Tensor Append::embeddings_MK(at::TensorList /*parameters*/) const {
  BT_ASSERT(!"an appending method of kind `known` gives its embeddings");
  return {};
}

at::Tensor Append::latents_BMK(const PrefixCache& /*prefix*/, const at::Tensor& /*end_B*/) const {
  BT_ASSERT(!"an appending method of kind `from_cache` computes its latents");
  return {};
}

}  // namespace bt
