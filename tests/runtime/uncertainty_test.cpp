// Triggers that ask a model: what it answers about given texts.
#include "bt/runtime/uncertainty.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "bt/core/error.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

class Uncertainty : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ModelConfig config = testing::tiny_config();
    config.logit_softcap = 2;
    backbone_ = testing::tiny_backbone(config, false);
    trigger_.kind = GetParam();
    batch_ = testing::random_batch(23, {.sequences = 5});
  }

  std::vector<Example> measured(const Method* method, int64_t batch_size, bool live, double threshold) {
    std::vector<Example> texts = batch_;
    trigger_.live = live;
    trigger_.threshold = threshold;
    measure_uncertainty(backbone_.decoder, method, testing::tiny_table(), trigger_, {testing::kEos}, batch_size, texts);
    return texts;
  }

  // From the logits of one text by itself.
  std::vector<double> by_hand(Example text) {
    std::fill(text.supervised.begin(), text.supervised.end(), 1);
    const Plan plan = make_plan({text}, testing::tiny_table(), {.kind = "none", .at_prompt_end = false}, {});
    const at::Tensor logits_MV =
        teacher_forced(backbone_.decoder, nullptr, to_device(plan, at::kCPU), {.keep_logits = true}).logits_MV;
    std::vector<double> out(text.ids.size(), 0);  // row m of the logits predicts token m + 1
    const auto length = static_cast<int64_t>(text.ids.size());
    for (int64_t i = text.prompt_length; i < length; ++i) {
      const bool entropy = GetParam() == "entropy";
      if (entropy && i + 1 == length) continue;
      const at::Tensor p = logits_MV[entropy ? i : i - 1].softmax(0);
      double value = 0;
      for (int64_t v = 0; v < p.size(0); ++v) value -= p[v].item<double>() * std::log(p[v].item<double>());
      out[static_cast<size_t>(i)] = entropy ? value : -std::log(p[text.ids[static_cast<size_t>(i)]].item<double>());
    }
    return out;
  }

  Backbone backbone_;
  TriggerOptions trigger_;
  std::vector<Example> batch_;
};

TEST_P(Uncertainty, OfTheDecoderAloneIsThatOfItsPredictions) {
  for (const int64_t batch_size : {1, 2, 7}) {
    const std::vector<Example> texts = measured(nullptr, batch_size, false, 1);
    for (const Example& text : texts) {
      const std::vector<double> expected = by_hand(text);
      ASSERT_EQ(text.uncertainty.size(), text.ids.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        const bool is_asked = static_cast<int64_t>(i) >= text.prompt_length;
        EXPECT_NEAR(text.uncertainty[i], is_asked ? expected[i] : 0, 1e-6) << i;
      }
    }
  }
}

TEST_P(Uncertainty, LiveWithoutAMethodIsThatOfTheDecoderAlone) {
  const std::vector<Example> alone = measured(nullptr, 3, false, 1), live = measured(nullptr, 3, true, 1);
  for (size_t t = 0; t < alone.size(); ++t) {
    for (size_t i = 0; i + 1 < alone[t].ids.size(); ++i)
      EXPECT_NEAR(alone[t].uncertainty[i], live[t].uncertainty[i], 1e-6) << t << " " << i;
  }
}

TEST_P(Uncertainty, LiveIsThatOfTheCacheAsTheMethodChangesIt) {
  const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(backbone_.decoder.config));
  const std::vector<Example> alone = measured(nullptr, 3, false, 1e9), live = measured(method.get(), 3, true, 1e9);
  double most = 0;  // the only call is that at the prompt's end
  for (size_t t = 0; t < alone.size(); ++t) {
    const auto first = static_cast<size_t>(alone[t].prompt_length);
    // What follows the prompt was predicted before the call.
    if (GetParam() == "surprise") {
      EXPECT_NEAR(alone[t].uncertainty[first], live[t].uncertainty[first], 1e-6);
    }
    for (size_t i = first + 1; i + 1 < alone[t].ids.size(); ++i)
      most = std::max(most, std::abs(static_cast<double>(alone[t].uncertainty[i] - live[t].uncertainty[i])));
  }
  EXPECT_GT(most, 1e-3);
}

TEST_P(Uncertainty, LeavesTextsAloneThatNoTriggerAsksAbout) {
  trigger_.kind = "newline";
  for (const Example& text : measured(nullptr, 3, false, 1)) EXPECT_TRUE(text.uncertainty.empty());
}

TEST_P(Uncertainty, LiveNeedsAPrompt) {
  batch_[1].prompt_length = 0;
  EXPECT_THROW(measured(nullptr, 3, true, 1), Error);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Uncertainty, ::testing::Values("entropy", "surprise"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace bt
