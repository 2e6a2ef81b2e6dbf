#include "bt/eval/ahead_perplexity.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/eval/scoring.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

InferenceModel model_with(std::unique_ptr<Options> options, std::string_view method) {
  InferenceModel model = testing::random_model();
  testing::add_method(model, method, std::move(options), {.kind = "none", .at_prompt_end = true});
  return model;
}

std::unique_ptr<DcaOptions> small_dca(const std::string& positions = "shift") {
  auto options = std::make_unique<DcaOptions>();
  options->latents = 3;
  options->deviation = 0.5;
  options->positions = positions;
  return options;
}

TEST(AheadPerplexity, EqualsScoresOfTheTextsLeftAtEveryPlace) {
  const std::string text = "Dan has 5. Ann has 2.";
  for (const std::string positions : {"shift", "keep"}) {
    const InferenceModel model = model_with(small_dca(positions), "dca");
    InferenceModel alone = testing::random_model();
    const AheadOptions options{.context = 64, .ahead = 4, .places = 1000};
    const AheadPerplexity measured = measure_ahead_perplexity(model, {text}, options);
    const std::vector<int32_t> ids = model.encode(text);
    const auto length = static_cast<int64_t>(ids.size());
    std::vector<AheadPosition> expected(4);
    for (int64_t place = 1; place < length; ++place) {  // latents after `place` tokens: the prompt's end
      const ScoreRequest request{ids, place, place};
      const auto with = score(model, {request}, 1)[0].logprobs, without = score(alone, {request}, 1)[0].logprobs;
      for (size_t a = 0; a < expected.size() && a < with.size(); ++a) {
        expected[a].nats_with -= with[a];
        expected[a].nats_without -= without[a];
        ++expected[a].tokens;
      }
    }
    EXPECT_EQ(measured.places, length - 1);
    for (size_t a = 0; a < expected.size(); ++a) {
      EXPECT_EQ(measured.positions[a].tokens, expected[a].tokens);
      EXPECT_NEAR(measured.positions[a].nats_with, expected[a].nats_with, 1e-8) << positions << ", position " << a;
      EXPECT_NEAR(measured.positions[a].nats_without, expected[a].nats_without, 1e-8);
    }
  }
}

// Beside scoring, which writes the text after every place token by token.
TEST(AheadPerplexity, GatedTakesLatentsWhereTheGateIsOpen) {
  const std::string text = "Dan has 5. Ann has 2.";
  auto options = small_dca();
  options->calls = "learned";
  const InferenceModel model = model_with(std::move(options), "dca");
  at::Tensor weight = model.method()->parameters()->leaf("gate.weight").detach();
  weight.copy_(at::arange(weight.numel(), weight.options()).sin().view_as(weight));
  const AheadOptions measure{.context = 64, .ahead = 4, .places = 1000};
  const AheadPerplexity measured = measure_ahead_perplexity(model, {text}, measure);
  const std::vector<int32_t> ids = model.encode(text);
  double expected = 0;
  for (int64_t place = 1; place < static_cast<int64_t>(ids.size()); ++place)
    expected -= score(model, {{ids, place, place}}, 1)[0].logprobs[0];
  EXPECT_NEAR(measured.positions[0].nats_gated, expected, 1e-8);
  ASSERT_TRUE(measured.open.has_value());
  EXPECT_TRUE(*measured.open > 0 && *measured.open < measured.places) << *measured.open << " of " << measured.places;
  EXPECT_NE(ahead_perplexity_text(model, measure, measured).find("the gate is open at"), std::string::npos);
  EXPECT_EQ(ahead_perplexity_json(model, measure, measured).at("open", "json").as_int("open"), *measured.open);
}

TEST(AheadPerplexity, DoesNotDependOnTheBatch) {
  const InferenceModel model = model_with(small_dca(), "dca");
  const std::vector<std::string> documents = {"Dan has 5.", "Ann has 2 fewer than Dan. Eve has 9.", "x"};
  const auto of = [&](int64_t batch_size) {
    return measure_ahead_perplexity(model, documents,
                                    {.context = 12, .ahead = 8, .places = 3, .batch_size = batch_size});
  };
  const AheadPerplexity one = of(1), all = of(16);
  EXPECT_EQ(one.texts, all.texts);
  EXPECT_EQ(one.places, all.places);
  for (size_t a = 0; a < 8; ++a) EXPECT_NEAR(one.positions[a].nats_with, all.positions[a].nats_with, 1e-9);
}

TEST(AheadPerplexity, TakesKnownEmbeddingsAndRefusesWhatAppendsNothing) {
  const InferenceModel pause = model_with(std::make_unique<PauseOptions>(), "pause");
  const AheadOptions options{.context = 64};
  const std::string text =
      ahead_perplexity_text(pause, options, measure_ahead_perplexity(pause, {"Dan has 5."}, options));
  EXPECT_NE(text.find("pause"), std::string::npos);
  InferenceModel bt = testing::random_model();
  testing::add_bt(bt);
  EXPECT_THROW(measure_ahead_perplexity(bt, {"Dan has 5."}, options), Error);
  EXPECT_THROW(measure_ahead_perplexity(testing::random_model(), {"Dan has 5."}, options), Error);
  EXPECT_THROW(measure_ahead_perplexity(pause, {"x"}, options), Error) << "nothing is predicted";
  EXPECT_THROW(measure_ahead_perplexity(pause, {"Dan has 5."}, {.context = 1 << 20}), Error);
}

TEST(AheadPerplexity, JsonHoldsEveryPosition) {
  const InferenceModel model = model_with(small_dca(), "dca");
  const AheadOptions options{.context = 64, .ahead = 3};
  const Json json = ahead_perplexity_json(model, options, measure_ahead_perplexity(model, {"Dan has 5."}, options));
  EXPECT_EQ(json.at("positions", "json").as_array("positions").size(), 3u);
  const double all = json.at("all", "json").at("ppl", "all").as_double("ppl");
  EXPECT_TRUE(std::isfinite(all) && all > 1);
}

}  // namespace
}  // namespace bt
