// Differentiable Cache Augmentation (arXiv 2412.17747): a decoder reads the backbone's cache and N soft tokens; its
// outputs are latent embeddings for the frozen backbone.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "adapters.h"
#include "bt/core/random.h"
#include "bt/ops/ops.h"
#include "methods.h"

namespace bt {
namespace {

constexpr const char* kSoftTokens = "soft_tokens";
constexpr const char* kLatentScale = "latent_scale";
constexpr const char* kOutput = "output";
constexpr const char* kGateWeight = "gate.weight";
constexpr const char* kGateBias = "gate.bias";

std::vector<ParameterInfo> parameter_infos(const DcaOptions& options, const ModelConfig& own, int64_t backbone_width) {
  std::vector<ParameterInfo> infos =
      options.coprocessor == "lora" ? adapter_parameters(own, options.targets, options.rank) : layer_parameters(own);
  infos.push_back(
      {.name = kSoftTokens, .shape = {options.latents, own.hidden_size}, .value = options.deviation, .decay = false});
  infos.push_back({.name = kLatentScale, .shape = {1}, .init = ParameterInfo::Init::ones, .decay = false});
  if (own.hidden_size != backbone_width)
    infos.push_back({.name = kOutput,
                     .shape = {backbone_width, own.hidden_size},
                     .value = 1.0 / std::sqrt(static_cast<double>(own.hidden_size))});
  if (options.calls == "learned") {  // open at first
    const auto zeros = ParameterInfo::Init::zeros;
    infos.push_back({.name = kGateWeight, .shape = {1, backbone_width}, .init = zeros, .decay = false});
    infos.push_back({.name = kGateBias, .shape = {1}, .init = zeros, .decay = false});
  }
  return infos;
}

class Coprocessor final : public Method, public Append {
 public:
  Coprocessor(const DcaOptions& options, const MethodContext& context)
      : options_(options),
        config_(options.coprocessor_config(context.model)),
        has_output_(config_.hidden_size != context.model.hidden_size),
        store_(parameter_infos(options, config_, context.model.hidden_size), context.options, context.trainable) {
    // Its layers' parameters have the backbone's names, by which draws of a seed differ.
    const bool is_new = options.coprocessor == "scratch";
    store_.initialise(is_new ? context.seed ^ stream_id("coprocessor") : context.seed);
    if (!on_backbone()) layers_ = layers_of(config_, store_);
  }

  std::string_view name() const override { return "dca"; }
  Effects effects() const override { return {.append = this}; }
  ParameterStore* parameters() override { return &store_; }
  AppendKind kind() const override { return AppendKind::from_cache; }
  int64_t count() const override { return options_.latents; }

  BranchOptions branches() const override {
    return {.shape = {.latents = options_.latents,
                      .ahead = options_.ahead,
                      .shifts_positions = options_.positions == "shift"},
            .places = options_.places,
            .min_lag = options_.train_lag[0],
            .max_lag = options_.train_lag[1]};
  }

  Joining joining() const override { return {options_.asynchronous, options_.join_after}; }

  CallGate gate() const override { return {options_.calls == "learned", options_.call_cost}; }

  at::Tensor gate_R(const at::Tensor& hidden_RK) const override {
    return at::linear(hidden_RK, store_.leaf(kGateWeight), store_.leaf(kGateBias)).squeeze(1);
  }

  void start_from(const Decoder& backbone) override {
    at::NoGradGuard no_grad;
    const auto rms = [](const at::Tensor& x) { return x.square().mean(at::kDouble).sqrt(); };
    at::Tensor size = rms(backbone.embedding) * embedding_scale(backbone);
    if (options_.coprocessor != "scratch")  // whose last norm is new: all ones
      size = size / rms(backbone.final_norm + backbone.config.norm.weight_offset);
    store_.master(kLatentScale).copy_(size);
    if (options_.coprocessor == "copy") copy_layers_(store_, backbone);
    store_.refresh();
  }

  at::Tensor latents_RMK(const Decoder& backbone, const PrefixCache& prefix) const override {
    const Decoder decoder = on_backbone() ? with_adapters(backbone, store_, options_.targets,
                                                          options_.alpha / static_cast<double>(options_.rank))
                                          : layers_;
    const at::Tensor soft_MC = store_.leaf(kSoftTokens);
    const int64_t places = prefix.end_R.size(0), latents = count();
    const at::Tensor place_M = at::arange(latents, prefix.position_R.options());
    const ops::Branches branches{prefix.sequence_R, prefix.end_R,
                                 prefix.position_R.unsqueeze(1) + place_M.unsqueeze(0)};
    const Rotary angles = rotary(config_, branches.position_RS.flatten(), soft_MC.scalar_type());
    const auto by_place = [&](const at::Tensor& x_NHD) {
      return x_NHD.view({places, latents, x_NHD.size(1), x_NHD.size(2)});
    };
    at::Tensor x_NC = soft_MC.repeat({places, 1});
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
      const at::Tensor out_RMHD =
          ops::branch_attention(by_place(qkv.q_NHD), by_place(qkv.k_NGD), by_place(qkv.v_NGD), branches,
                                prefix.layers[static_cast<size_t>(layer)], decoder.attention(layer));
      x_NC = finish_layer(decoder, layer, x_NC, out_RMHD.flatten(0, 1));
    }
    at::Tensor z_NC = final_hidden(decoder, x_NC);
    if (has_output_) z_NC = at::linear(z_NC, store_.leaf(kOutput));
    return (store_.leaf(kLatentScale) * z_NC).view({places, latents, -1});
  }

 private:
  bool on_backbone() const { return options_.coprocessor == "lora"; }

  DcaOptions options_;
  ModelConfig config_;
  bool has_output_;
  ParameterStore store_;
  Decoder layers_;  // copy, scratch: made of the store's leaves
};

}  // namespace

std::unique_ptr<Method> make_dca(const DcaOptions& options, const MethodContext& context) {
  return std::make_unique<Coprocessor>(options, context);
}

}  // namespace bt
