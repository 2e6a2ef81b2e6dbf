#include "backbone.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/model_family.h"

namespace bt {
namespace {

constexpr const char* kEmbedTokens = "model.embed_tokens.weight";
constexpr const char* kFinalNorm = "model.norm.weight";
constexpr const char* kLmHead = "lm_head.weight";

std::string layer_name(int64_t layer, std::string_view rest) { return str("model.layers.", layer, ".", rest); }

// One projection of a layer: its file name, shape and place in LayerWeights.
struct Projection {
  const char* name;
  Linear LayerWeights::*linear;
  int64_t out, in;
  bool bias;
  bool writes_residual;  // initialised smaller, since every layer adds one
};

std::vector<Projection> projections(const ModelConfig& c) {
  const int64_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  return {{"self_attn.q_proj", &LayerWeights::q, queries, c.hidden_size, c.qkv_bias, false},
          {"self_attn.k_proj", &LayerWeights::k, keys, c.hidden_size, c.qkv_bias, false},
          {"self_attn.v_proj", &LayerWeights::v, keys, c.hidden_size, c.qkv_bias, false},
          {"self_attn.o_proj", &LayerWeights::o, c.hidden_size, queries, c.o_bias, true},
          {"mlp.gate_proj", &LayerWeights::gate, c.intermediate_size, c.hidden_size, c.mlp_bias, false},
          {"mlp.up_proj", &LayerWeights::up, c.intermediate_size, c.hidden_size, c.mlp_bias, false},
          {"mlp.down_proj", &LayerWeights::down, c.hidden_size, c.intermediate_size, c.mlp_bias, true}};
}

struct Norm {
  std::string_view name;
  at::Tensor LayerWeights::*weight;
  int64_t width;
};

const ModelFamily& family_of(const ModelConfig& config) {
  const ModelFamily* family = find_model_family(config.model_type);
  BT_ASSERT(family != nullptr);
  return *family;
}

// Those that the family has.
std::vector<Norm> norms(const ModelConfig& c) {
  const ModelFamily& family = family_of(c);
  std::vector<Norm> all = {{family.attention_norm, &LayerWeights::attention_norm, c.hidden_size},
                           {family.attention_out_norm, &LayerWeights::attention_out_norm, c.hidden_size},
                           {family.mlp_norm, &LayerWeights::mlp_norm, c.hidden_size},
                           {family.mlp_out_norm, &LayerWeights::mlp_out_norm, c.hidden_size}};
  if (family.query_key_norm != QueryKeyNorm::none) {
    const bool each = family.query_key_norm == QueryKeyNorm::each_head;
    all.push_back({"self_attn.q_norm", &LayerWeights::q_norm, c.head_dim * (each ? 1 : c.heads)});
    all.push_back({"self_attn.k_norm", &LayerWeights::k_norm, c.head_dim * (each ? 1 : c.kv_heads)});
  }
  std::erase_if(all, [](const Norm& norm) { return norm.name.empty(); });
  return all;
}

}  // namespace

std::vector<ParameterInfo> layer_parameters(const ModelConfig& c) {
  using Init = ParameterInfo::Init;
  std::vector<ParameterInfo> infos;
  const auto add = [&](std::string name, std::vector<int64_t> shape, Init init, double value, bool decay) {
    infos.push_back({.name = std::move(name), .shape = std::move(shape), .init = init, .value = value, .decay = decay});
  };
  const double residual = 1.0 / std::sqrt(2.0 * static_cast<double>(c.layers));
  const auto add_norm = [&](std::string name, int64_t width) {
    add(std::move(name), {width}, Init::constant, 1 - c.norm.weight_offset, false);
  };
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    for (const Projection& p : projections(c)) {
      const double deviation = c.initializer_range * (p.writes_residual ? residual : 1.0);
      add(layer_name(layer, str(p.name, ".weight")), {p.out, p.in}, Init::normal, deviation, true);
      if (p.bias) add(layer_name(layer, str(p.name, ".bias")), {p.out}, Init::zeros, 0, false);
    }
    for (const Norm& norm : norms(c)) add_norm(layer_name(layer, str(norm.name, ".weight")), norm.width);
  }
  add_norm(kFinalNorm, c.hidden_size);
  return infos;
}

std::vector<ParameterInfo> backbone_parameters(const ModelConfig& c) {
  const auto table = [&](const char* name, bool decay) {
    return ParameterInfo{
        .name = name, .shape = {c.vocab_size, c.hidden_size}, .value = c.initializer_range, .decay = decay};
  };
  std::vector<ParameterInfo> infos = {table(kEmbedTokens, false)};
  for (ParameterInfo& info : layer_parameters(c)) infos.push_back(std::move(info));
  if (!c.tie_word_embeddings) infos.push_back(table(kLmHead, true));
  return infos;
}

Decoder layers_of(const ModelConfig& config, const ParameterStore& store) {
  Decoder decoder;
  decoder.config = config;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    LayerWeights weights;
    for (const Norm& norm : norms(config)) {
      weights.*norm.weight = store.leaf(layer_name(layer, str(norm.name, ".weight")));
    }
    for (const Projection& p : projections(config)) {
      (weights.*p.linear).weight = store.leaf(layer_name(layer, str(p.name, ".weight")));
      if (p.bias) (weights.*p.linear).bias = store.leaf(layer_name(layer, str(p.name, ".bias")));
    }
    decoder.layers.push_back(std::move(weights));
  }
  decoder.final_norm = store.leaf(kFinalNorm);
  return decoder;
}

Decoder decoder_of(const ModelConfig& config, const ParameterStore& store) {
  Decoder decoder = layers_of(config, store);
  decoder.embedding = store.leaf(kEmbedTokens);
  decoder.head = config.tie_word_embeddings ? decoder.embedding : store.leaf(kLmHead);
  return decoder;
}

Backbone make_backbone(const ModelConfig& config, c10::TensorOptions options, uint64_t seed, bool trainable) {
  Backbone backbone;
  backbone.parameters = std::make_unique<ParameterStore>(backbone_parameters(config), options, trainable);
  backbone.parameters->initialise(seed);
  backbone.decoder = decoder_of(config, *backbone.parameters);
  return backbone;
}

void copy_layers_(ParameterStore& into, const Decoder& from) {
  at::NoGradGuard no_grad;
  into.master(kFinalNorm).copy_(from.final_norm);
  for (int64_t layer = 0; layer < from.config.layers; ++layer) {
    const LayerWeights& weights = from.layers[static_cast<size_t>(layer)];
    for (const Norm& norm : norms(from.config)) {
      into.master(layer_name(layer, str(norm.name, ".weight"))).copy_(weights.*norm.weight);
    }
    for (const Projection& p : projections(from.config)) {
      into.master(layer_name(layer, str(p.name, ".weight"))).copy_((weights.*p.linear).weight);
      if (p.bias) into.master(layer_name(layer, str(p.name, ".bias"))).copy_((weights.*p.linear).bias);
    }
  }
}

void set_trainable(Backbone& backbone, bool trainable) { backbone.parameters->set_trainable(trainable); }

}  // namespace bt
