// What a new coprocessor starts from.
#include "bt/core/strings.h"
#include "latent/latent_test_support.h"

namespace bt {
namespace {

std::unique_ptr<Method> made(const std::string& coprocessor, const Backbone& backbone) {
  DcaOptions options;
  options.latents = 3;
  options.coprocessor = coprocessor;
  auto method = make_method("dca", options, testing::tiny_context(backbone.decoder.config));
  method->start_from(backbone.decoder);
  return method;
}

TEST(Coprocessor, ACopyHasTheBackbonesLayersAndLastNorm) {
  const Backbone backbone = testing::tiny_backbone(testing::tiny_config(2, "qwen3"), false);
  const auto method = made("copy", backbone);
  for (const auto& [name, tensor] : backbone.parameters->named()) {
    if (name.find("embed_tokens") != std::string::npos || name == "lm_head.weight") continue;
    EXPECT_TRUE(at::equal(method->parameters()->leaf(name), tensor)) << name;
  }
}

TEST(Coprocessor, OneFromScratchHasWeightsOfItsOwn) {
  const MethodContext context = testing::tiny_context(testing::tiny_config(2));
  const Backbone backbone = make_backbone(context.model, context.options, context.seed, false);
  const auto method = made("scratch", backbone);
  for (const char* matrix : {"self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"}) {
    const std::string name = str("model.layers.1.", matrix, ".weight");
    EXPECT_FALSE(at::equal(method->parameters()->leaf(name), backbone.parameters->leaf(name))) << name;
  }
}

TEST(Coprocessor, LatentsAreAsLargeAsEmbeddings) {
  for (const char* family : {"llama", "gemma"}) {
    const Backbone backbone = testing::tiny_backbone(testing::tiny_config(2, family), false);
    constexpr double norm = 2.5;
    at::Tensor(backbone.decoder.final_norm).detach().fill_(norm - backbone.decoder.config.norm.weight_offset);
    const at::Tensor id_N = at::arange(testing::kVocabulary);
    const double expected = embed(backbone.decoder, id_N).square().mean().sqrt().item<double>();
    for (const char* coprocessor : {"copy", "lora", "scratch"}) {
      const double own_norm = coprocessor == std::string("scratch") ? 1 : norm;
      EXPECT_NEAR(made(coprocessor, backbone)->parameters()->leaf("latent_scale").item<double>() * own_norm, expected,
                  1e-9)
          << family << ", " << coprocessor;
    }
  }
}

}  // namespace
}  // namespace bt
