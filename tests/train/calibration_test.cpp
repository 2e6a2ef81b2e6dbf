#include "bt/train/calibration.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "bt/core/error.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

class Recorder final : public Method {
 public:
  explicit Recorder(bool wants) : wants_(wants) {}
  std::string_view name() const override { return "recorder"; }
  bool wants_calibration() const override { return wants_; }
  void calibrate(int64_t layer, const at::Tensor& k_RGD, const at::Tensor& v_RGD) override {
    keys[layer] = k_RGD;
    values[layer] = v_RGD;
  }
  std::map<int64_t, at::Tensor> keys, values;

 private:
  bool wants_;
};

Decoder make_decoder() {
  ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 12;
  config.intermediate_size = 20;
  config.layers = 3;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 6;
  config.max_position = 64;
  config.attention_scale = 1 / std::sqrt(6.0);
  config.window = {0, 3, 0};
  config.rotary.assign(3, true);
  config.initializer_range = 0.3;
  static const Backbone backbone = make_backbone(config, at::TensorOptions(at::kDouble), 5, false);
  return backbone.decoder;
}

Example example(std::vector<int32_t> ids) { return {.ids = std::move(ids)}; }

TEST(Calibration, SeesEveryTokenButTheFirstOfEachExample) {
  Recorder method(true);
  calibrate(method, make_decoder(), {example({1, 2, 3}), example({4}), example({5, 6, 7, 8, 9})});
  ASSERT_EQ(method.keys.size(), 3u);
  EXPECT_EQ(method.keys[2].sizes(), (std::vector<int64_t>{6, 2, 6}));
  EXPECT_EQ(method.values[2].sizes(), (std::vector<int64_t>{6, 2, 6}));
}

TEST(Calibration, ExamplesDoNotSeeEachOther) {
  Recorder together(true), alone(true);
  const Example other = example({9, 8, 7, 6}), last = example({1, 2, 3, 4, 5});
  calibrate(together, make_decoder(), {other, last});
  calibrate(alone, make_decoder(), {last});
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_TRUE(at::allclose(together.keys[layer].slice(0, 3), alone.keys[layer], 1e-12)) << layer;
    EXPECT_TRUE(at::allclose(together.values[layer].slice(0, 3), alone.values[layer], 1e-12)) << layer;
  }
}

TEST(Calibration, LaterTokensDependOnEarlierOnes) {
  Recorder a(true), b(true);
  calibrate(a, make_decoder(), {example({1, 2, 3})});
  calibrate(b, make_decoder(), {example({4, 2, 3})});
  EXPECT_TRUE(at::allclose(a.keys[0], b.keys[0]));  // the first layer reads embeddings alone
  EXPECT_FALSE(at::allclose(a.keys[2], b.keys[2]));
}

class Listener final : public Method {
 public:
  explicit Listener(std::optional<ContrastTexts> texts) : texts_(std::move(texts)) {}
  std::string_view name() const override { return "listener"; }
  std::optional<ContrastTexts> contrast() const override { return texts_; }
  void measure_contrast(int64_t layer, const at::Tensor& positive_RC, const at::Tensor& negative_RC) override {
    positive[layer] = positive_RC;
    negative[layer] = negative_RC;
  }
  std::map<int64_t, at::Tensor> positive, negative;

 private:
  std::optional<ContrastTexts> texts_;
};

// The stream that enters every layer, by the decoder's layers on one text alone with dense attention.
std::vector<at::Tensor> naive_streams(const Decoder& decoder, const std::vector<int32_t>& ids) {
  const int64_t count = static_cast<int64_t>(ids.size());
  const at::Tensor row_N = at::arange(count), id_N = at::tensor(ids, at::kInt).to(at::kLong);
  const Rotary angles = rotary(decoder.config, row_N, at::kDouble);
  at::Tensor x_NC = embed(decoder, id_N);
  std::vector<at::Tensor> out;
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    out.push_back(x_NC);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    const AttentionSpec spec = decoder.attention(layer);
    const at::Tensor far_NN = row_N.unsqueeze(1) - row_N.unsqueeze(0);
    at::Tensor hidden_NN = far_NN < 0;
    if (spec.window > 0) hidden_NN = hidden_NN.logical_or(far_NN >= spec.window);
    const at::Tensor score = at::einsum("nhd,mhd->hnm", {qkv.q_NHD, qkv.k_NGD.repeat_interleave(2, 1)}) * spec.scale;
    const at::Tensor p = score.masked_fill(hidden_NN, -1e300).softmax(2);
    x_NC = finish_layer(decoder, layer, x_NC, at::einsum("hnm,mhd->nhd", {p, qkv.v_NGD.repeat_interleave(2, 1)}));
  }
  return out;
}

TEST(Contrast, IsTheStreamAtTheLastTokenOrOverTheResponse) {
  const Decoder decoder = make_decoder();
  const std::vector<Example> positive = {{.ids = {1, 2, 3, 4}, .prompt_length = 2},
                                         {.ids = {5, 6}, .prompt_length = 1}},
                             negative = {{.ids = {7, 8, 9}, .prompt_length = 0}};
  const auto row = [&](const Example& text, size_t layer, bool last) {
    const at::Tensor x_NC = naive_streams(decoder, text.ids)[layer];
    return last ? x_NC[-1] : x_NC.slice(0, text.prompt_length).mean(0);
  };
  for (const bool last : {false, true}) {
    Listener method(ContrastTexts{"a", "b", last});
    measure_contrast(method, decoder, positive, negative);
    for (int64_t layer = 0; layer < 3; ++layer) {
      const auto l = static_cast<size_t>(layer);
      const at::Tensor towards = at::stack({row(positive[0], l, last), row(positive[1], l, last)});
      EXPECT_TRUE(at::allclose(method.positive.at(layer), towards, 1e-12)) << layer;
      EXPECT_TRUE(at::allclose(method.negative.at(layer)[0], row(negative[0], l, last), 1e-12)) << layer;
    }
  }
}

TEST(Contrast, OfManyTextsIsThatOfEach) {
  std::vector<Example> texts;
  for (int32_t i = 0; i < 150; ++i) texts.push_back({.ids = {i % 11, (i * 3) % 11, (i * 7) % 11}, .prompt_length = 1});
  Listener all(ContrastTexts{"a", "b"}), one(ContrastTexts{"a", "b"});
  measure_contrast(all, make_decoder(), texts, {texts[0]});
  measure_contrast(one, make_decoder(), {texts[149]}, {texts[70]});
  ASSERT_EQ(all.positive.at(2).size(0), 150);
  EXPECT_TRUE(at::allclose(all.positive.at(2)[149], one.positive.at(2)[0], 1e-12));
  EXPECT_TRUE(at::allclose(all.positive.at(2)[70], one.negative.at(2)[0], 1e-12));
}

TEST(Contrast, NothingHappensUnasked) {
  Listener method(std::nullopt);
  measure_contrast(method, make_decoder(), {}, {});
  EXPECT_TRUE(method.positive.empty());
}

TEST(Calibration, NothingHappensUnasked) {
  Recorder method(false);
  calibrate(method, make_decoder(), {example({1, 2})});
  EXPECT_TRUE(method.keys.empty());
}

TEST(Calibration, NeedsAnExampleOfTwoTokens) {
  Recorder method(true);
  EXPECT_THROW(calibrate(method, make_decoder(), {example({1})}), Error);
}

}  // namespace
}  // namespace bt
