// Residual steering: a direction added to the residual stream that enters a layer, learned or measured as the
// difference of two sets of texts.
//
// The measured direction is the mean over positive texts less the mean over negative ones, times `strength`: with
// measured_on "last", one layer, a text for every answer and a trigger at the prompt's end alone this is Contrastive
// Activation Addition (arXiv 2312.06681), whose pairs weigh the same. As in ActAdd (arXiv 2308.10248) the stream is
// that which enters a layer; ActAdd itself takes the difference of two prompts place by place, which is not here.
#include <ATen/ATen.h>

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "methods.h"

namespace bt {
namespace {

SteerPlaces places_of(const SteerOptions& options) {
  if (options.places == "boundary_token") return SteerPlaces::boundary_token;
  return options.places == "next_step" ? SteerPlaces::next_step : SteerPlaces::after;
}

void check_layers(const SteerOptions& options, const ModelConfig& model) {
  for (const int64_t layer : options.layers) {
    if (layer < model.layers) continue;
    fail_usage({.what = "a layer to steer that the model does not have",
                .where = "latent.layers",
                .expected = str("0 to ", model.layers - 1),
                .found = str(layer)});
  }
}

class Steering : public Method, public Steer {
 public:
  Steering(const SteerOptions& options, const MethodContext& context) : options_(options) {
    check_layers(options, context.model);
  }
  std::string_view name() const override { return "steer"; }
  Effects effects() const override { return {.steer = this}; }
  SteerPlaces places() const override { return places_of(options_); }

 protected:
  bool is_chosen(int64_t layer) const {
    const std::vector<int64_t>& layers = options_.layers;
    return layers.empty() || std::find(layers.begin(), layers.end(), layer) != layers.end();
  }

  SteerOptions options_;
};

class LearnedSteering final : public Steering {
 public:
  LearnedSteering(const SteerOptions& options, const MethodContext& context)
      : Steering(options, context),
        store_({{.name = "direction",
                 .shape = {context.model.hidden_size},
                 .layers = context.model.layers,
                 .init = ParameterInfo::Init::zeros,
                 .value = 0,
                 .decay = false}},
               context.options, context.trainable) {
    store_.initialise(context.seed);
  }

  ParameterStore* parameters() override { return &store_; }
  at::Tensor direction_K(int64_t layer, at::TensorList parameters) const override {
    return is_chosen(layer) ? parameters[0].squeeze(0) : at::Tensor();
  }

 private:
  ParameterStore store_;
};

class MeasuredSteering final : public Steering {
 public:
  MeasuredSteering(const SteerOptions& options, const MethodContext& context)
      : Steering(options, context),
        direction_LK_(at::zeros({context.model.layers, context.model.hidden_size}, context.measured())) {}

  std::vector<std::pair<std::string, at::Tensor>> buffers() override { return {{"direction", direction_LK_}}; }
  std::optional<ContrastTexts> contrast() const override {
    return ContrastTexts{options_.positive, options_.negative, options_.measured_on == "last"};
  }
  void measure_contrast(int64_t layer, const at::Tensor& positive_RC, const at::Tensor& negative_RC) override {
    direction_LK_[layer].copy_(positive_RC.to(at::kDouble).mean(0) - negative_RC.to(at::kDouble).mean(0));
  }
  at::Tensor direction_K(int64_t layer, at::TensorList /*parameters*/) const override {
    return is_chosen(layer) ? options_.strength * direction_LK_[layer] : at::Tensor();
  }

 private:
  at::Tensor direction_LK_;  // before `strength`
};

}  // namespace

std::unique_ptr<Method> make_steer(const SteerOptions& options, const MethodContext& context) {
  if (options.direction == "learned") return std::make_unique<LearnedSteering>(options, context);
  return std::make_unique<MeasuredSteering>(options, context);
}

}  // namespace bt
