// A latent method outside bt's tree: at every boundary the values of the chosen cache rows fade by a share that is
// learned per layer.
#include <ATen/ATen.h>
#include <bt/latent/method.h>
#include <bt/latent/row_choice.h>
#include <bt/options/method_options.h>

namespace {

struct FadeOptions final : bt::MethodOptions {
  bt::RowChoiceOptions rows;
  double share_init = -2;  // logit
  void fields(bt::OptionFields& f) override {
    common_fields(f);
    rows.recent_fields(f);
    rows.recall_fields(f);
    f.field("share_init", share_init, {.help = "initial logit of the share that fades"});
  }
  void validate() const override { rows.validate(); }
};

class Fade final : public bt::Method, public bt::Rewrite {
 public:
  Fade(const FadeOptions& options, const bt::MethodContext& context)
      : options_(options),
        store_({{.name = "share",
                 .shape = {1},
                 .layers = context.model.layers,
                 .init = bt::ParameterInfo::Init::constant,
                 .value = options.share_init,
                 .decay = false}},
               context.options) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "fade"; }
  bt::Effects effects() const override { return {.rewrite = this}; }
  bt::ParameterStore* parameters() override { return &store_; }
  int64_t recent_capacity() const override { return options_.rows.recent; }
  bt::ChosenRows choose(const bt::EventRows& events) const override { return choose_rows(events, options_.rows); }

  bt::Edit edit(const bt::Events& events, at::TensorList parameters) const override {
    const auto halves = events.u_YEWC.chunk(2, -1);  // keys, values
    const at::Tensor change = at::cat({at::zeros_like(halves[0]), -halves[1]}, -1);
    return {change, at::sigmoid(parameters[0]).view({-1, 1, 1, 1})};
  }

 private:
  FadeOptions options_;
  bt::ParameterStore store_;
};

std::unique_ptr<bt::Options> make_options() { return std::make_unique<FadeOptions>(); }

std::unique_ptr<bt::Method> make(const bt::Options& options, const bt::MethodContext& context) {
  return std::make_unique<Fade>(dynamic_cast<const FadeOptions&>(options), context);
}

// Runs when the library is opened.
const bool kRegistered = [] {
  bt::register_method_options("fade", "values of the chosen rows fade by a learned share", &make_options);
  bt::register_method("fade", &make);
  return true;
}();

}  // namespace
