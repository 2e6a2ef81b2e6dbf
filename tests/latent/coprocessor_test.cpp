// What a new coprocessor starts from.
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
  const Backbone backbone = testing::tiny_backbone(testing::tiny_config(2), false);
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  EXPECT_FALSE(at::equal(made("scratch", backbone)->parameters()->leaf(name), backbone.parameters->leaf(name)));
}

TEST(Coprocessor, LatentsAreAsLargeAsEmbeddings) {
  for (const char* family : {"llama", "gemma"}) {
    const Backbone backbone = testing::tiny_backbone(testing::tiny_config(2, family), false);
    const at::Tensor id_N = at::arange(testing::kVocabulary);
    const double expected = embed(backbone.decoder, id_N).square().mean().sqrt().item<double>();
    for (const char* coprocessor : {"copy", "lora", "scratch"}) {
      EXPECT_NEAR(made(coprocessor, backbone)->parameters()->leaf("latent_scale").item<double>(), expected, 1e-9)
          << family << ", " << coprocessor;
    }
  }
}

}  // namespace
}  // namespace bt
