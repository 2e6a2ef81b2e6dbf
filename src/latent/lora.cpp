// Low-rank adapters on the backbone's projections (arXiv 2106.09685): the parameter-matched control.
#include <cmath>
#include <map>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/peft_config.h"
#include "methods.h"
#include "peft_tensors.h"

namespace bt {
namespace {

struct Target {
  Linear LayerWeights::*projection;
  int64_t out, in;
};

std::map<std::string, Target> projections(const ModelConfig& model) {
  const int64_t width = model.hidden_size, queries = model.heads * model.head_dim,
                keys = model.kv_heads * model.head_dim;
  const int64_t inner = model.intermediate_size;
  return {{"q", {&LayerWeights::q, queries, width}},     {"k", {&LayerWeights::k, keys, width}},
          {"v", {&LayerWeights::v, keys, width}},        {"o", {&LayerWeights::o, width, queries}},
          {"gate", {&LayerWeights::gate, inner, width}}, {"up", {&LayerWeights::up, inner, width}},
          {"down", {&LayerWeights::down, width, inner}}};
}

class Lora final : public Method {
 public:
  Lora(const LoraOptions& options, const MethodContext& context)
      : options_(options), model_(context.model), store_(parameter_infos(options, context.model), context.options) {
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
  }

  Decoder attach(const Decoder& decoder) const override {
    Decoder adapted = decoder;
    const auto all = projections(model_);
    for (int64_t layer = 0; layer < model_.layers; ++layer) {
      for (const std::string& name : options_.targets) {
        Linear& linear = adapted.layers[static_cast<size_t>(layer)].*all.at(name).projection;
        linear.lora_a = store_.leaf(name + ".a", layer).squeeze(0);
        linear.lora_b = store_.leaf(name + ".b", layer).squeeze(0);
        linear.lora_scale = scale();
      }
    }
    return adapted;
  }

 private:
  double scale() const { return options_.alpha / static_cast<double>(options_.rank); }

  static std::vector<ParameterInfo> parameter_infos(const LoraOptions& options, const ModelConfig& model) {
    std::vector<ParameterInfo> infos;
    const auto all = projections(model);
    for (const std::string& name : options.targets) {
      const Target& target = all.at(name);
      infos.push_back({.name = name + ".a",
                       .shape = {options.rank, target.in},
                       .layers = model.layers,
                       .init = ParameterInfo::Init::normal,
                       .value = 1.0 / std::sqrt(static_cast<double>(target.in))});
      infos.push_back({.name = name + ".b",
                       .shape = {target.out, options.rank},
                       .layers = model.layers,
                       .init = ParameterInfo::Init::zeros,
                       .value = 0});
    }
    return infos;
  }

  LoraOptions options_;
  ModelConfig model_;
  ParameterStore store_;
};

}  // namespace

std::unique_ptr<Method> make_lora(const LoraOptions& options, const MethodContext& context) {
  return std::make_unique<Lora>(options, context);
}

}  // namespace bt
