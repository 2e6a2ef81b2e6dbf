// Trained control: a learned change per slot that reads nothing. Slot w of an event is its w-th newest recent row, or
// its w-th recalled row in row order.
#include <ATen/ATen.h>
#include <ATen/OpMathType.h>

#include "bt/latent/row_choice.h"
#include "gate_figures.h"
#include "methods.h"

namespace bt {
namespace {

class ConstantRewrite final : public Method, public Rewrite {
 public:
  ConstantRewrite(const ConstantRewriteOptions& options, const MethodContext& context)
      : options_(options), store_(parameter_infos(options, context.model), context.options, context.trainable) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "constant_rewrite"; }
  Effects effects() const override { return {.rewrite = this}; }
  ParameterStore* parameters() override { return &store_; }
  int64_t recent_capacity() const override { return options_.rows.recent; }
  ChosenRows choose(const EventRows& events) const override { return choose_rows(events, options_.rows); }
  bool is_recordable() const override { return bt::is_recordable(options_.rows); }

  Edit edit(const Events& events, at::TensorList parameters) const override {
    const int64_t layers = events.layer_end - events.layer_begin;
    const at::Tensor delta_YSC = parameters[0], slot_YEW = slots(events.kind_YEW);
    const at::Tensor layer_Y = at::arange(layers, slot_YEW.options()).view({layers, 1, 1});
    const at::Tensor delta_YEWC = delta_YSC.index({layer_Y, slot_YEW});
    return {delta_YEWC.masked_fill((events.kind_YEW == static_cast<int64_t>(RowKind::pad)).unsqueeze(-1), 0),
            at::sigmoid(parameters[1].to(at::toOpMathType(parameters[1].scalar_type()))).view({layers, 1, 1, 1})};
  }

  Json figures() const override { return gate_figures(store_.master("gate")); }

 private:
  static std::vector<ParameterInfo> parameter_infos(const ConstantRewriteOptions& options, const ModelConfig& model) {
    const int64_t slots = options.rows.recent + options.rows.recall, entry = 2 * model.kv_heads * model.head_dim;
    return {{.name = "delta",
             .shape = {slots, entry},
             .layers = model.layers,
             .init = ParameterInfo::Init::normal,
             .value = options.out_deviation},
            {.name = "gate",
             .shape = {1},
             .layers = model.layers,
             .init = ParameterInfo::Init::constant,
             .value = options.gate_init,
             .decay = false,
             .lr_multiplier = options.gate_lr_multiplier}};
  }

  // Recent rows count back from the newest, recalled rows onwards from options.recent.
  at::Tensor slots(const at::Tensor& kind_YEW) const {
    const at::Tensor recent = (kind_YEW == static_cast<int64_t>(RowKind::recent)).to(at::kLong);
    const at::Tensor recalled = (kind_YEW == static_cast<int64_t>(RowKind::recalled)).to(at::kLong);
    const at::Tensor from_newest = recent.sum(-1, /*keepdim=*/true) - recent.cumsum(-1);
    const at::Tensor from_first = recalled.cumsum(-1) - 1 + options_.rows.recent;
    return at::where(recent.to(at::kBool), from_newest, at::where(recalled.to(at::kBool), from_first, 0));
  }

  ConstantRewriteOptions options_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_constant_rewrite(const ConstantRewriteOptions& options, const MethodContext& context) {
  return std::make_unique<ConstantRewrite>(options, context);
}

}  // namespace bt
