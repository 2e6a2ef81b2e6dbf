// Pause tokens (arXiv 2310.02226): learned embeddings appended after a boundary, each at a position of its own.
#include "methods.h"

namespace bt {
namespace {

class Pause final : public Method, public Append {
 public:
  Pause(const PauseOptions& options, const MethodContext& context)
      : options_(options),
        store_({{.name = "embeddings",
                 .shape = {options.shared ? 1 : options.count, context.model.hidden_size},
                 .init = ParameterInfo::Init::normal,
                 .value = options.deviation,
                 .decay = false}},
               context.options, context.trainable) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "pause"; }
  Effects effects() const override { return {.append = this}; }
  BackboneMode backbone() const override {
    return options_.train_backbone ? BackboneMode::trained : BackboneMode::frozen;
  }
  ParameterStore* parameters() override { return &store_; }
  AppendKind kind() const override { return AppendKind::known; }
  int64_t count() const override { return options_.count; }
  at::Tensor embeddings_MK(at::TensorList parameters) const override {
    return parameters[0].expand({options_.count, -1});
  }

 private:
  PauseOptions options_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_pause(const PauseOptions& options, const MethodContext& context) {
  return std::make_unique<Pause>(options, context);
}

}  // namespace bt
