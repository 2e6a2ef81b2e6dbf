// Scores and greedy answers against tools/reference/bt_transformers.py, which shares no code with bt
// (make_reference_fixtures.py).
#include <gtest/gtest.h>

#include <cmath>

#include "bt/eval/generation.h"
#include "bt/eval/scoring.h"
#include "bt/text/json_lines.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

constexpr double kTolerance = 1e-4;

struct Expected {
  std::vector<ScoreRequest> texts;
  std::vector<std::vector<double>> logprobs;
  std::vector<std::vector<int32_t>> greedy;
  std::vector<std::vector<int64_t>> boundaries;
};

template <class Number>
std::vector<Number> numbers(const Json& line, const char* key) {
  std::vector<Number> out;
  for (const Json& item : line.at(key, key).as_array(key)) out.push_back(static_cast<Number>(item.as_double(key)));
  return out;
}

Expected read_expected(const std::string& path) {
  Expected expected;
  for (const Json& line : read_json_lines(path)) {
    expected.texts.push_back({numbers<int32_t>(line, "ids"), line.at("prompt_length", "").as_int("")});
    expected.logprobs.push_back(numbers<double>(line, "logprobs"));
    expected.greedy.push_back(numbers<int32_t>(line, "greedy"));
    expected.boundaries.push_back(numbers<int64_t>(line, "boundaries"));
  }
  return expected;
}

class Reference : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string folder_ = std::string(BT_SOURCE_DIR "/tests/eval/fixtures/reference/") + GetParam();
  const Expected expected_ = read_expected(folder_ + "/expected.jsonl");
  const InferenceModel model_ =
      open_inference_model({.model = folder_ + "/model", .latent = folder_ + "/latent", .device = "cpu"});

  double worst_difference(const InferenceModel& model) const {
    const auto scores = score(model, expected_.texts, 4);
    double worst = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i].logprobs.size(), expected_.logprobs[i].size());
      for (size_t t = 0; t < scores[i].logprobs.size(); ++t)
        worst = std::max(worst, std::abs(scores[i].logprobs[t] - expected_.logprobs[i][t]));
    }
    return worst;
  }
};

TEST_P(Reference, LogProbabilitiesOfGivenTexts) {
  ASSERT_EQ(expected_.texts.size(), 6u);
  EXPECT_LT(worst_difference(model_), kTolerance);
  const InferenceModel without = open_inference_model({.model = folder_ + "/model", .device = "cpu"});
  EXPECT_GT(worst_difference(without), 0.05) << "the processor changes nothing worth comparing";
}

TEST_P(Reference, GreedyTokensAndBoundaries) {
  std::vector<GenerationRequest> requests;
  for (size_t i = 0; i < expected_.texts.size(); ++i) {
    const std::vector<int32_t>& ids = expected_.texts[i].ids;
    requests.push_back({i, {ids.begin(), ids.begin() + expected_.texts[i].prompt_length}, 40});
  }
  const auto completions = generate(model_, requests, {.slots = 4});
  for (size_t i = 0; i < completions.size(); ++i) {
    EXPECT_EQ(completions[i].ids, expected_.greedy[i]) << "text " << i;
    EXPECT_EQ(completions[i].boundaries, expected_.boundaries[i]) << "text " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Reference, ::testing::Values("llama_tied_after", "mistral_window_before_paper"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace bt
