#include "bt/model/decoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bt/core/error.h"
#include "model_test_support.h"

namespace bt {
namespace {

using test::gradients;
using test::greatest_difference;

at::Tensor random(at::IntArrayRef sizes, bool gradient = false) {
  return at::randn(sizes, at::kDouble).set_requires_grad(gradient);
}

at::Tensor plain_rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return weight * (x / at::sqrt(at::mean(x * x, {-1}, true) + eps));
}

TEST(RmsNorm, EqualsItsFormulaWithGradients) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{37, 11}, {1, 16}, {3, 5, 7}, {0, 4}, {601, 3}, {19, 1}}) {
    const at::Tensor x = random(shape, true), weight = random({shape.back()}, true), probe = random(shape);
    const at::Tensor y = rms_norm(x, weight, {.eps = 0.1}), plain = plain_rms_norm(x, weight, 0.1);
    EXPECT_LT(greatest_difference(y, plain), 1e-13);
    const auto found = gradients((y * probe).sum(), {x, weight}),
               expected = gradients((plain * probe).sum(), {x, weight});
    EXPECT_LT(greatest_difference(found[0], expected[0]), 1e-13);
    EXPECT_LT(greatest_difference(found[1], expected[1]), 1e-12);
  }
}

TEST(RmsNorm, TakesStridedInputsAndLeavesThemAlone) {
  const at::Tensor x = random({9, 14}, true), view = x.narrow(1, 3, 7), weight = random({7}),
                   before = x.detach().clone();
  const at::Tensor y = rms_norm(view, weight, {});
  EXPECT_LT(greatest_difference(y, plain_rms_norm(view, weight, 1e-6)), 1e-13);
  EXPECT_LT(
      greatest_difference(gradients(y.sum(), {x})[0], gradients(plain_rms_norm(view, weight, 1e-6).sum(), {x})[0]),
      1e-13);
  EXPECT_TRUE(at::equal(x, before));
}

TEST(RmsNorm, ComputesInFp32AndRoundsBeforeTheWeight) {
  const at::Tensor x = (random({6, 32}) * 300).to(at::kHalf), weight = random({32}).to(at::kHalf);
  const at::Tensor rounded =
      plain_rms_norm(x.to(at::kFloat), at::ones({32}), 1e-6).to(at::kHalf);  // x^2 overflows fp16
  EXPECT_LT(greatest_difference(rms_norm(x, weight, {}), rounded * weight), 1e-2);
  EXPECT_EQ(rms_norm(x, weight, {}).scalar_type(), at::kHalf);
}

TEST(RmsNorm, GivesGradientsInTheDtypesOfTheirInputs) {
  const at::Tensor x = random({6, 8}).to(at::kBFloat16).set_requires_grad(true);
  const at::Tensor weight = random({8}).to(at::kBFloat16).set_requires_grad(true);
  const at::Tensor wide = x.detach().to(at::kDouble).set_requires_grad(true);
  const auto found = gradients(rms_norm(x, weight, {}).sum(), {x, weight});
  const auto expected = gradients(plain_rms_norm(wide, weight.to(at::kDouble), 1e-6).sum(), {wide, weight});
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(found[i].scalar_type(), at::kBFloat16);
    EXPECT_LT(greatest_difference(found[i], expected[i]), 0.03);
  }
}

TEST(RmsNorm, AddsTheOffsetAndRoundsWhereTheFamilyDoes) {
  const at::Tensor x = random({5, 7}, true), weight = random({7}, true), probe = random({5, 7});
  const NormConfig gemma{.eps = 0.1, .weight_offset = 1, .rounds_last = true};
  const at::Tensor y = rms_norm(x, weight, gemma), plain = plain_rms_norm(x, weight + 1, 0.1);
  EXPECT_LT(greatest_difference(y, plain), 1e-13);
  const auto found = gradients((y * probe).sum(), {x, weight}),
             expected = gradients((plain * probe).sum(), {x, weight});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(greatest_difference(found[i], expected[i]), 1e-12);

  const at::Tensor narrow_x = x.detach().to(at::kBFloat16), narrow_weight = weight.detach().to(at::kBFloat16);
  const at::Tensor unit = plain_rms_norm(narrow_x.to(at::kFloat), at::ones({7}), 0.1);
  EXPECT_TRUE(at::equal(rms_norm(narrow_x, narrow_weight, gemma),
                        (unit * (1 + narrow_weight.to(at::kFloat))).to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(rms_norm(narrow_x, narrow_weight, {.eps = 0.1}), unit.to(at::kBFloat16) * narrow_weight));
}

ModelConfig rope_config(RopeConfig rope, int64_t head_dim = 6) {
  ModelConfig config = test::small_config();
  config.head_dim = head_dim;
  config.rope = std::move(rope);
  return config;
}

TEST(Rotary, HasTheAnglesOfPositionsAndFrequencies) {
  const Rotary angles = rotary(rope_config({.theta = 100}), at::tensor({0, 1, 29}, at::kLong), at::kDouble);
  ASSERT_EQ(angles.cos.sizes(), (std::vector<int64_t>{3, 3}));
  for (int64_t i = 0; i < 3; ++i) {
    const double frequency = std::pow(100.0, -static_cast<double>(i) / 3);
    EXPECT_EQ(angles.cos[0][i].item<double>(), 1);
    EXPECT_NEAR(angles.cos[2][i].item<double>(), std::cos(29 * frequency), 1e-13);
    EXPECT_NEAR(angles.sin[2][i].item<double>(), std::sin(29 * frequency), 1e-13);
  }
}

TEST(Rotary, StaysExactFarOut) {
  const Rotary angles = rotary(rope_config({.theta = 10000}), at::tensor({131071}, at::kLong), at::kFloat);
  EXPECT_EQ(angles.sin.scalar_type(), at::kFloat);
  EXPECT_NEAR(angles.sin[0][0].item<double>(), std::sin(131071.0), 1e-7);
}

TEST(Rotary, ScalesLinearlyOrAsLlama3) {
  const at::Tensor position = at::tensor({20}, at::kLong);
  const auto angle = [&](const RopeConfig& rope) { return rotary(rope_config(rope, 12), position, at::kDouble); };
  const Rotary plain = rotary(rope_config({.theta = 500}, 12), at::tensor({5}, at::kLong), at::kDouble);
  EXPECT_LT(greatest_difference(angle({.type = "linear", .theta = 500, .factor = 4}).sin, plain.sin), 1e-13);

  const RopeConfig llama3{.type = "llama3",
                          .theta = 500,
                          .factor = 4,
                          .low_freq_factor = 1,
                          .high_freq_factor = 4,
                          .original_max_position = 32};
  const Rotary scaled = angle(llama3), unscaled = angle({.theta = 500});
  EXPECT_NEAR(scaled.sin[0][0].item<double>(), unscaled.sin[0][0].item<double>(), 1e-13);  // wavelength 6.3 < 32 / 4
  EXPECT_NEAR(scaled.sin[0][5].item<double>(), plain.sin[0][5].item<double>(), 1e-13);     // wavelength 1115 > 32
  const double frequency = std::pow(500.0, -1.0 / 6), smooth = (32 * frequency / (2 * M_PI) - 1) / 3;
  const double between = (1 - smooth) * frequency / 4 + smooth * frequency;  // wavelength 17.7
  EXPECT_NEAR(scaled.sin[0][1].item<double>(), std::sin(20 * between), 1e-13);
}

TEST(Rotary, RefusesATextBeyondWhatDynamicScalingIsExactFor) {
  const ModelConfig config = rope_config({.type = "dynamic", .factor = 2, .original_max_position = 40});
  const at::Tensor position = at::tensor({39}, at::kLong);
  EXPECT_TRUE(at::equal(rotary(config, position, at::kFloat).sin, rotary(rope_config({}), position, at::kFloat).sin));
  check_length(config, 40);
  EXPECT_THROW(check_length(config, 41), Error);
  check_length(rope_config({}), 1 << 20);
}

TEST(Rotate, TurnsHalvesAndBack) {
  const Rotary angles = rotary(rope_config({.theta = 50}), at::tensor({0, 3, 3, 17, 2}, at::kLong), at::kDouble);
  const at::Tensor x = random({5, 12, 6}, true).narrow(1, 2, 3), probe = random({5, 3, 6});  // a strided view
  const at::Tensor y = rotate(x, angles);
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor a = x.select(2, i), b = x.select(2, i + 3);
    const at::Tensor cos = angles.cos.select(1, i).unsqueeze(1), sin = angles.sin.select(1, i).unsqueeze(1);
    EXPECT_LT(greatest_difference(y.select(2, i), a * cos - b * sin), 1e-14);
    EXPECT_LT(greatest_difference(y.select(2, i + 3), b * cos + a * sin), 1e-14);
  }
  EXPECT_LT(greatest_difference(rotate(y, angles, /*inverse=*/true), x), 1e-14);
  EXPECT_LT(greatest_difference(gradients((y * probe).sum(), {x})[0], rotate(probe, angles, true)), 1e-14);
  const at::Tensor back = rotate(x, angles, true);
  EXPECT_LT(greatest_difference(gradients((back * probe).sum(), {x})[0], rotate(probe, angles)), 1e-14);
}

TEST(Rotate, EqualsTheComplexProductOnStridedInputOfEveryType) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf}) {
    const at::Tensor wide = random({133, 9, 10}).to(type).set_requires_grad(true), x = wide.narrow(1, 3, 4);
    const Rotary angles = rotary(rope_config({}, 10), at::arange(133, at::kLong), type);
    const auto halves = x.to(at::kDouble).chunk(2, -1);
    const at::Tensor cos = angles.cos.to(at::kDouble).unsqueeze(1), sin = angles.sin.to(at::kDouble).unsqueeze(1);
    const at::Tensor plain = at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
    const double tolerance = type == at::kDouble ? 1e-14 : type == at::kFloat ? 2e-6 : 1e-2;
    const at::Tensor turned = rotate(x, angles), probe = random(turned.sizes());
    EXPECT_LT(greatest_difference(turned, plain), tolerance);
    EXPECT_LT(greatest_difference(gradients((turned.to(at::kDouble) * probe).sum(), {wide})[0],
                                  gradients((plain * probe).sum(), {wide})[0]),
              tolerance);
    EXPECT_LT(greatest_difference(rotate(turned, angles, /*inverse=*/true), x), tolerance);
  }
  EXPECT_EQ(rotate(random({0, 2, 6}), rotary(rope_config({}), at::empty({0}, at::kLong), at::kDouble)).numel(), 0);
}

TEST(Linear, AddsAdapters) {
  Linear linear{.weight = random({5, 7}), .bias = random({5}), .lora_a = {}, .lora_b = {}};
  const at::Tensor x = random({3, 7}), plain = linear(x);
  EXPECT_LT(greatest_difference(plain, at::mm(x, linear.weight.t()) + linear.bias), 1e-13);
  linear.lora_a = random({1, 2, 7}, true);  // as a store's layer gives them
  linear.lora_b = at::zeros({1, 5, 2}, at::kDouble).set_requires_grad(true);
  linear.lora_scale = 0.7;
  EXPECT_TRUE(at::equal(linear(x), plain));  // B = 0: the identity
  linear.lora_b = random({1, 5, 2}, true);
  const at::Tensor merged = linear.weight + 0.7 * at::mm(linear.lora_b[0], linear.lora_a[0]);
  const at::Tensor y = linear(x), expected = at::mm(x, merged.t()) + linear.bias;
  EXPECT_LT(greatest_difference(y, expected), 1e-13);
  const auto found = gradients(y.pow(2).sum(), {linear.lora_a, linear.lora_b});
  const auto wanted = gradients(expected.pow(2).sum(), {linear.lora_a, linear.lora_b});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(greatest_difference(found[i], wanted[i]), 1e-11);
}

TEST(Decoder, LaterTokensDoNotReachEarlierLogits) {
  const Backbone backbone = make_backbone(test::small_config(), at::kDouble, 1, false);
  const at::Tensor ids = at::randint(17, {37}, at::kLong), all = test::whole_logits(backbone.decoder, ids);
  for (const int64_t length : {1, 12, 36}) {
    EXPECT_LT(
        greatest_difference(test::whole_logits(backbone.decoder, ids.narrow(0, 0, length)), all.narrow(0, 0, length)),
        1e-12);
  }
}

TEST(Decoder, AppliesWindowsAndSoftCaps) {
  ModelConfig config = test::small_config();
  config.window = {0, 5};
  config.attention_softcap = 1.5;
  config.logit_softcap = 0.8;
  const Backbone backbone = make_backbone(config, at::kDouble, 1, false);
  EXPECT_EQ(backbone.decoder.attention(0).window, 0);
  EXPECT_EQ(backbone.decoder.attention(1).window, 5);
  EXPECT_EQ(backbone.decoder.attention(1).softcap, 1.5);
  EXPECT_EQ(backbone.decoder.attention(1).scale, 0.4);
  const at::Tensor hidden = random({4, 12}), raw = at::mm(hidden, backbone.decoder.head.t());
  EXPECT_LT(greatest_difference(logits(backbone.decoder, hidden), 0.8 * at::tanh(raw / 0.8)), 1e-13);
}

TEST(Decoder, TrainsEveryParameterAndNoneWhenFrozen) {
  for (const bool tied : {false, true}) {
    ModelConfig config = test::small_config();
    config.qkv_bias = config.o_bias = config.mlp_bias = true;
    config.tie_word_embeddings = tied;
    Backbone backbone = make_backbone(config, at::kDouble, 1, true);
    const at::Tensor ids = at::arange(17, at::kLong);
    const at::Tensor loss = test::whole_logits(backbone.decoder, ids).log_softmax(-1).select(1, 3).sum();
    torch::autograd::backward({loss}, {});
    for (const ParameterInfo& info : backbone.parameters->infos()) {
      if (info.name.ends_with("k_proj.bias")) continue;  // cancels in the softmax, but for the rotation
      EXPECT_GT(backbone.parameters->leaf(info.name).grad().abs().max().item<double>(), 1e-6) << info.name;
    }
    set_trainable(backbone, false);
    EXPECT_FALSE(test::whole_logits(backbone.decoder, ids).requires_grad());
  }
}

TEST(Decoder, EqualsFiniteDifferences) {
  const Backbone backbone = make_backbone(test::small_config(), at::kDouble, 1, true);
  const at::Tensor ids = at::randint(17, {7}, at::kLong), flat = backbone.parameters->flat();
  const auto loss = [&] { return test::whole_logits(backbone.decoder, ids).log_softmax(-1).select(1, 5).sum(); };
  torch::autograd::backward({loss()}, {});
  const at::Tensor direction = random({flat.size(0)});
  const double expected = at::dot(backbone.parameters->flat_grad(), direction).item<double>(), step = 1e-6;
  flat.add_(direction, step);
  const double above = loss().item<double>();
  flat.add_(direction, -2 * step);
  const double slope = (above - loss().item<double>()) / (2 * step);
  EXPECT_NEAR(slope, expected, 1e-6 * std::abs(expected));
}

}  // namespace
}  // namespace bt
