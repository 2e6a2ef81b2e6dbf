#include "bt/eval/perplexity.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/eval/scoring.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

const std::string kFixtures = BT_SOURCE_DIR "/tests/eval/fixtures/";

TEST(Perplexity, IsThatOfTransformersUnderEveryWindow) {
  const InferenceModel model = open_inference_model(
      {.model = kFixtures + "reference/llama_tied_after/model", .device = "cpu", .dtype = "float64"});
  const Json file = Json::parse_file(kFixtures + "perplexity.json");
  const std::string text = file.at("text", "").as_string("");
  for (const Json& one : file.at("cases", "").as_array("")) {
    const SlidingWindow window{one.at("context", "").as_int(""), one.at("stride", "").as_int(""), 3};
    const Perplexity measured = measure_perplexity(model, {text}, window);
    EXPECT_NEAR(measured.value() / one.at("ppl", "").as_double(""), 1, 1e-6) << one.dump();
    EXPECT_EQ(measured.tokens, one.at("tokens", "").as_int("")) << one.dump();
    EXPECT_EQ(measured.bytes, static_cast<int64_t>(text.size()));
  }
}

TEST(Perplexity, OfOneWindowIsThatOfTheScore) {
  InferenceModel model = testing::random_model();
  testing::add_bt(model);
  const std::string text = "one line\nand another";
  const ScoreRequest whole{model.encode(text)};
  const TextScore scored = score(model, {whole}, 1)[0];
  const Perplexity measured = measure_perplexity(model, {text}, {.context = 64, .stride = 32});
  EXPECT_DOUBLE_EQ(measured.nats, -scored.sum());
  EXPECT_EQ(measured.windows, 1);
  EXPECT_DOUBLE_EQ(measured.bits_per_byte(), measured.nats / std::log(2.0) / static_cast<double>(text.size()));
}

TEST(Perplexity, WindowsDoNotReachAcrossDocuments) {
  const InferenceModel model = testing::random_model();
  const SlidingWindow window{.context = 8, .stride = 4, .batch_size = 2};
  const Perplexity a = measure_perplexity(model, {"the first text"}, window),
                   b = measure_perplexity(model, {"another one, longer"}, window),
                   both = measure_perplexity(model, {"the first text", "another one, longer"}, window);
  EXPECT_NEAR(both.nats, a.nats + b.nats, 1e-9);
  EXPECT_EQ(both.tokens, a.tokens + b.tokens);
  EXPECT_EQ(both.documents, 2);
}

TEST(Perplexity, RefusesWhatCannotBeMeasured) {
  const InferenceModel model = testing::random_model();
  EXPECT_THROW(measure_perplexity(model, {""}, {.context = 8, .stride = 4}), Error);
  EXPECT_THROW(measure_perplexity(model, {"a text"}, {.context = 1 << 20, .stride = 4}), Error);
}

}  // namespace
}  // namespace bt
