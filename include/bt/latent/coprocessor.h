// The coprocessor of Differentiable Cache Augmentation (arXiv 2412.17747): a decoder of the backbone's shape reads the
// backbone's cache and N soft tokens; its outputs are latent embeddings for the frozen decoder.
#pragma once

#include <string_view>

#include "bt/latent/method.h"

namespace bt {

class Coprocessor final : public Method, public Append {
 public:
  // A copy of the decoder's weights, all trained, `count` soft tokens N(0, 0.02), and the scale s of the latents, which
  // starts at the RMS of the decoder's embeddings: z = s * RMSNorm_final(y).
  Coprocessor(const Decoder& backbone, int64_t count, c10::TensorOptions options, uint64_t seed);

  std::string_view name() const override { return "coprocessor"; }
  Effects effects() const override { return {.append = this}; }
  ParameterStore* parameters() override { return weights_.parameters.get(); }
  ParameterStore& soft_tokens() { return soft_; }
  AppendKind kind() const override { return AppendKind::from_cache; }
  int64_t count() const override { return count_; }
  at::Tensor latents_BMK(const PrefixCache& prefix, const at::Tensor& end_B) const override;

 private:
  int64_t count_;
  Backbone weights_;
  ParameterStore soft_;
};

}  // namespace bt
