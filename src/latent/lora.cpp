// Low-rank adapters on the backbone's projections (arXiv 2106.09685): the parameter-matched control.
#include <cmath>

#include "adapters.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/peft_config.h"
#include "methods.h"
#include "peft_tensors.h"

namespace bt {
namespace {

class Lora final : public Method {
 public:
  Lora(const LoraOptions& options, const MethodContext& context)
      : options_(options),
        model_(context.model),
        store_(adapter_parameters(context.model, options.targets, options.rank), context.options, context.trainable) {
    store_.initialise(context.seed);
  }

  std::string_view name() const override { return "lora"; }
  BackboneMode backbone() const override { return BackboneMode::adapters; }
  ParameterStore* parameters() override { return &store_; }

  void save_weights(const std::string& folder, const std::string& base_model) const override {
    PeftConfig config{.rank = options_.rank, .scale = scale(), .target_modules = {}, .base_model = base_model};
    for (const std::string& target : options_.targets) {
      const std::string module = peft_module(target);
      config.target_modules.push_back(module.substr(module.find('.') + 1));
    }
    save_tensors(str(folder, "/", kPeftWeightsName), peft_tensors(store_, options_, model_.layers), {{"format", "pt"}});
    write_peft_config(folder, config);
  }

  void load_weights(const std::string& folder) override {
    const PeftConfig config = read_peft_config(folder);
    if (config.rank != options_.rank || std::abs(config.scale - scale()) > 1e-9 * scale()) {
      fail_bad_file({.what = "the two configs of the adapters differ",
                     .where = str(folder, "/", kPeftConfigName),
                     .expected = str("rank ", options_.rank, ", scale ", scale()),
                     .found = str("rank ", config.rank, ", scale ", config.scale)});
    }
    load_tensors(str(folder, "/", kPeftWeightsName), peft_tensors(store_, options_, model_.layers));
    store_.refresh();
  }

  Decoder attach(const Decoder& decoder) const override {
    return with_adapters(decoder, store_, options_.targets, scale());
  }

 private:
  double scale() const { return options_.alpha / static_cast<double>(options_.rank); }

  LoraOptions options_;
  ModelConfig model_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_lora(const LoraOptions& options, const MethodContext& context) {
  return std::make_unique<Lora>(options, context);
}

}  // namespace bt
