// Latent rollout (Coconut, arXiv 2412.06769): after a boundary the decoder reads its own last hidden states, one after
// the other, as embeddings. They are s * h, h after the last norm; s is learned and starts at the size of embeddings.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "methods.h"

namespace bt {
namespace {

constexpr const char* kScale = "latent_scale";

class Rollout final : public Method, public Append {
 public:
  Rollout(const RolloutOptions& options, const MethodContext& context)
      : options_(options),
        store_({{.name = kScale, .shape = {1}, .init = ParameterInfo::Init::ones, .decay = false}}, context.options,
               context.trainable) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "rollout"; }
  Effects effects() const override { return {.append = this}; }
  BackboneMode backbone() const override {
    return options_.train_backbone ? BackboneMode::trained : BackboneMode::frozen;
  }
  ParameterStore* parameters() override { return &store_; }
  AppendKind kind() const override { return AppendKind::recurrent; }
  int64_t count() const override { return options_.latents; }

  Curriculum curriculum() const override {
    return {.stage_steps = options_.stage_steps,
            .per_step = options_.latents_per_step,
            .stages = options_.latents / options_.latents_per_step};
  }

  void start_from(const Decoder& backbone) override {
    at::NoGradGuard no_grad;
    const at::Tensor norm_K = backbone.final_norm + backbone.config.norm.weight_offset;
    const at::Tensor size = backbone.embedding.square().mean(at::kDouble) / norm_K.square().mean(at::kDouble);
    store_.master(kScale).copy_(size.sqrt() * embedding_scale(backbone));
    store_.refresh();
  }

  at::Tensor latent_RK(const at::Tensor& hidden_RK, at::TensorList parameters) const override {
    return parameters[0] * hidden_RK;
  }

 private:
  RolloutOptions options_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_rollout(const RolloutOptions& options, const MethodContext& context) {
  return std::make_unique<Rollout>(options, context);
}

}  // namespace bt
