#include "bt/model/fingerprint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model_test_support.h"

namespace bt {
namespace {

const std::string kFolder = BT_SOURCE_DIR "/tests/model/fixtures/llama_gqa";

std::string fingerprint_of(const Backbone& backbone) { return weights_fingerprint(*backbone.parameters); }

TEST(Fingerprint, IsThatOfTheWeightsNotOfTheirTypeOrFiles) {
  const Backbone backbone = load_backbone(kFolder, at::kFloat, false);
  const std::string print = fingerprint_of(backbone);
  EXPECT_EQ(print.size(), 64u);
  for (const at::ScalarType type : {at::kDouble, at::kBFloat16})
    EXPECT_EQ(fingerprint_of(load_backbone(kFolder, type, false)), print);
  const std::string copy = BT_BINARY_DIR "/fingerprint_copy";
  save_backbone(backbone, copy);
  EXPECT_EQ(fingerprint_of(load_backbone(copy, at::kFloat, true)), print);
}

TEST(Fingerprint, TellsAFineTunedModelFromItsBase) {
  const Backbone base = load_backbone(kFolder, at::kFloat, false), tuned = load_backbone(kFolder, at::kFloat, false);
  at::manual_seed(1);
  at::Tensor weights = tuned.parameters->flat();
  weights.add_(at::randn_like(weights), 1e-5);  // an AdamW step
  EXPECT_NE(fingerprint_of(tuned), fingerprint_of(base));
}

TEST(Fingerprint, SeesEveryWeightAndItsPlace) {
  const Backbone backbone = make_backbone(test::small_config(), at::kFloat, 1, false);
  const std::string print = fingerprint_of(backbone);
  at::Tensor weights = backbone.parameters->flat();
  for (const int64_t at : {int64_t{0}, weights.numel() / 2 + 1, weights.numel() - 1}) {
    const float before = weights[at].item<float>();
    weights[at] = before + 0.25F;
    EXPECT_NE(fingerprint_of(backbone), print) << at;
    weights[at] = before;
  }
  const at::Tensor q = backbone.decoder.layers[0].q.weight, first = q[0].clone();
  q[0].copy_(q[1]);
  q[1].copy_(first);
  EXPECT_NE(fingerprint_of(backbone), print) << "rows swapped";
}

}  // namespace
}  // namespace bt
