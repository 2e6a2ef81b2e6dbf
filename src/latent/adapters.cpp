#include "adapters.h"

#include <cmath>
#include <map>

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

}  // namespace

std::vector<ParameterInfo> adapter_parameters(const ModelConfig& model, const std::vector<std::string>& targets,
                                              int64_t rank) {
  std::vector<ParameterInfo> infos;
  const auto all = projections(model);
  for (const std::string& name : targets) {
    const Target& target = all.at(name);
    infos.push_back({.name = name + ".a",
                     .shape = {rank, target.in},
                     .layers = model.layers,
                     .init = ParameterInfo::Init::normal,
                     .value = 1.0 / std::sqrt(static_cast<double>(target.in))});
    infos.push_back({.name = name + ".b",
                     .shape = {target.out, rank},
                     .layers = model.layers,
                     .init = ParameterInfo::Init::zeros,
                     .value = 0});
  }
  return infos;
}

Decoder with_adapters(const Decoder& decoder, const ParameterStore& store, const std::vector<std::string>& targets,
                      double scale) {
  Decoder adapted = decoder;
  const auto all = projections(decoder.config);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    for (const std::string& name : targets) {
      Linear& linear = adapted.layers[static_cast<size_t>(layer)].*all.at(name).projection;
      linear.lora_a = store.leaf(name + ".a", layer).squeeze(0);
      linear.lora_b = store.leaf(name + ".b", layer).squeeze(0);
      linear.lora_scale = scale;
    }
  }
  return adapted;
}

}  // namespace bt
