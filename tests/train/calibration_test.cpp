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
