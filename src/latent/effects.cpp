#include "bt/latent/effects.h"

#include "bt/core/error.h"

namespace bt {

int64_t Rewrite::row_capacity() const {
  BT_ASSERT(!"a method that appends rows says how many");
  return 0;
}

at::Tensor Append::embeddings_MK(at::TensorList /*parameters*/) const {
  BT_ASSERT(!"an appending method of kind `known` gives its embeddings");
  return {};
}

at::Tensor Append::latents_RMK(const Decoder& /*decoder*/, const PrefixCache& /*prefix*/) const {
  BT_ASSERT(!"an appending method of kind `from_cache` computes its latents");
  return {};
}

at::Tensor Append::latent_RK(const at::Tensor& /*hidden_RK*/, at::TensorList /*parameters*/) const {
  BT_ASSERT(!"an appending method of kind `recurrent` computes one latent from the state before it");
  return {};
}

at::Tensor Append::gate_R(const at::Tensor& /*hidden_RK*/) const {
  BT_ASSERT(!"an appending method with a learned gate gives its logits");
  return {};
}

BranchOptions Append::branches() const {
  BT_ASSERT(!"an appending method of kind `from_cache` says where it trains");
  return {};
}

}  // namespace bt
