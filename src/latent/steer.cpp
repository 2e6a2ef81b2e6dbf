// Residual steering: a learned direction added to the residual stream of every token after a boundary.
#include <algorithm>

#include "methods.h"

namespace bt {
namespace {

class Steering final : public Method, public Steer {
 public:
  Steering(const SteerOptions& options, const MethodContext& context)
      : options_(options),
        store_({{.name = "direction",
                 .shape = {context.model.hidden_size},
                 .layers = context.model.layers,
                 .init = ParameterInfo::Init::zeros,
                 .value = 0,
                 .decay = false}},
               context.options) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "steer"; }
  Effects effects() const override { return {.steer = this}; }
  ParameterStore* parameters() override { return &store_; }
  at::Tensor direction_K(int64_t layer, at::TensorList parameters) const override {
    const bool chosen = options_.layers.empty() ||
                        std::find(options_.layers.begin(), options_.layers.end(), layer) != options_.layers.end();
    return chosen ? parameters[0].squeeze(0) : at::Tensor();
  }

 private:
  SteerOptions options_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_steer(const SteerOptions& options, const MethodContext& context) {
  return std::make_unique<Steering>(options, context);
}

}  // namespace bt
