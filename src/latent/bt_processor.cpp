// The Bottlenecked Transformer's Cache Processor as a method (arXiv 2505.16950).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "bt/latent/row_choice.h"
#include "gate_figures.h"
#include "learned_call.h"
#include "methods.h"
#include "processor_block.h"

namespace bt {
namespace {

// For heads of another size than the model's.
at::Tensor frequencies(ModelConfig model, int64_t head_dim, const c10::TensorOptions& options) {
  model.head_dim = head_dim;
  return rotary_frequencies(model, options.device(), options.dtype().toScalarType());
}

at::Tensor rotary_layers(const ModelConfig& model, const c10::TensorOptions& options) {
  const auto& rotary = model.rotary;
  if (std::find(rotary.begin(), rotary.end(), false) == rotary.end()) return {};
  at::Tensor out = at::empty({model.layers}, at::kBool);
  for (int64_t layer = 0; layer < model.layers; ++layer) out[layer] = bool(rotary[static_cast<size_t>(layer)]);
  return out.to(options.device());
}

class BtProcessor final : public Method, public Rewrite {
 public:
  BtProcessor(std::string_view name, const BtOptions& options, const MethodContext& context)
      : name_(name),
        options_(options),
        model_(context.model),
        store_(processor_parameters(options, context.model), context.options, context.trainable) {
    store_.initialise(context.seed);
    scale_L2_ = at::ones({model_.layers, 2}, context.measured());
    if (options_.processor_rope) frequency_F_ = frequencies(model_, options_.width / options_.heads, context.options);
    if (options_.key_frame == "unrotated") {
      key_frequency_F_ = frequencies(model_, model_.head_dim, context.options);
      rotary_L_ = rotary_layers(model_, context.options);
    }
  }

  std::string_view name() const override { return name_; }
  Effects effects() const override {
    if (name_ == "append_rows") return {.append_rows = this};
    return {.rewrite = this};
  }
  BackboneMode backbone() const override {
    return options_.train_backbone ? BackboneMode::trained : BackboneMode::frozen;
  }
  ParameterStore* parameters() override { return &store_; }
  std::vector<std::pair<std::string, at::Tensor>> buffers() override { return {{"kv_scale", scale_L2_}}; }

  bool wants_calibration() const override { return options_.kv_scale == "calibrated"; }
  void calibrate(int64_t layer, const at::Tensor& k_RGD, const at::Tensor& v_RGD) override {
    at::NoGradGuard no_grad;
    const auto rms = [](const at::Tensor& x) { return x.to(at::kDouble).square().mean().sqrt().clamp_min(1e-6); };
    scale_L2_[layer][0].copy_(rms(k_RGD));
    scale_L2_[layer][1].copy_(rms(v_RGD));
  }

  Json figures() const override { return gate_figures(store_.master("gate")); }

  int64_t recent_capacity() const override { return options_.rows.recent; }
  int64_t row_capacity() const override { return options_.rows.recent + options_.rows.recall; }
  ChosenRows choose(const EventRows& events) const override { return choose_rows(events, options_.rows); }
  // The engine asks whether a learned call was made.
  bool is_recordable() const override { return options_.calls == "always" && bt::is_recordable(options_.rows); }

  Edit edit(const Events& events, at::TensorList parameters) const override {
    const ProcessorWeights weights = processor_weights(options_, parameters);
    const int64_t layers = events.layer_end - events.layer_begin;
    const at::Tensor scale = scale_L2_.narrow(0, events.layer_begin, layers).view({layers, 1, 1, 2, 1});
    const auto halves = [&](const at::Tensor& x) {
      return x.view({x.size(0), x.size(1), x.size(2), 2, x.size(3) / 2});
    };
    const at::ScalarType type = store_.flat().scalar_type();
    at::Tensor u = (halves(events.u_YEWC) / scale).to(type).view(events.u_YEWC.sizes());
    u = turned_keys(u, events, /*inverse=*/true);
    Edit edit{.gate = gates(weights.gate)};
    if (options_.calls == "learned") {
      const LearnedCall call =
          learned_call(events, u, weights.call_weight_YC, weights.call_bias_Y1, options_.call_cost);
      edit.gate = edit.gate * call.factor_YE11;
      edit.call_YE = call.probability_YE;
    }
    const at::Tensor delta = turned_keys(processor_block(options_, weights, events, std::move(u), frequency_F_), events,
                                         /*inverse=*/false);
    edit.delta_YEWC = (halves(delta) * scale).view(delta.sizes());
    return edit;
  }

 private:
  // One a layer, or one for the keys and one for the values of every head: broadcasts against [Y, E, W, C]. In at least
  // fp32, as the change that it multiplies.
  at::Tensor gates(const at::Tensor& logit_YX) const {
    const int64_t layers = logit_YX.size(0);
    const at::Tensor gate_YX = at::sigmoid(logit_YX.to(scale_L2_.scalar_type()));
    if (options_.gates == "layer") return gate_YX.view({layers, 1, 1, 1});
    return gate_YX.repeat_interleave(model_.head_dim, 1).view({layers, 1, 1, -1});
  }

  // The keys' half rotated by their positions, or back: the identity with key_frame "rotated", and in layers whose keys
  // are never rotated.
  at::Tensor turned_keys(const at::Tensor& x_YEWC, const Events& events, bool inverse) const {
    if (!key_frequency_F_.defined()) return x_YEWC;
    const auto halves = x_YEWC.chunk(2, -1);
    const Rotary here = rotary(key_frequency_F_, events.position_YEW.flatten(), x_YEWC.scalar_type());
    const at::Tensor keys = rotate(halves[0].reshape({-1, model_.kv_heads, model_.head_dim}), here, inverse);
    const at::Tensor turned_YEWC = at::cat({keys.view(halves[0].sizes()), halves[1]}, -1);
    if (!rotary_L_.defined()) return turned_YEWC;
    const int64_t layers = events.layer_end - events.layer_begin;
    return at::where(rotary_L_.narrow(0, events.layer_begin, layers).view({layers, 1, 1, 1}), turned_YEWC, x_YEWC);
  }

  std::string name_;
  BtOptions options_;
  ModelConfig model_;
  ParameterStore store_;
  at::Tensor scale_L2_;
  at::Tensor frequency_F_, key_frequency_F_;  // undefined where nothing is rotated
  at::Tensor rotary_L_;                       // bool; undefined where every layer rotates
};

}  // namespace

std::unique_ptr<Method> make_bt(const BtOptions& options, const MethodContext& context) {
  return std::make_unique<BtProcessor>("bt", options, context);
}

std::unique_ptr<Method> make_append_rows(const AppendRowsOptions& options, const MethodContext& context) {
  return std::make_unique<BtProcessor>("append_rows", options, context);
}

std::unique_ptr<Method> make_recent_only(const RecentOnlyOptions& options, const MethodContext& context) {
  return std::make_unique<BtProcessor>("recent_only", options, context);
}

}  // namespace bt
