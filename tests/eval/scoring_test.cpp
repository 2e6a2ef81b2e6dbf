#include "bt/eval/scoring.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/runtime/teacher_forced.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using testing::random_model;

std::vector<ScoreRequest> ragged_texts(const InferenceModel& model) {
  std::vector<ScoreRequest> requests;
  for (const char* text : {"two\nsteps\n", "z", "a text of one step", "\n\n\nnewlines\n\n", "ab"})
    requests.push_back({model.encode(text)});
  requests.push_back({model.encode("a prompt\nits answer\nin two lines"), 9});
  return requests;
}

void expect_close(const std::vector<TextScore>& a, const std::vector<TextScore>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].logprobs.size(), b[i].logprobs.size()) << "text " << i;
    for (size_t t = 0; t < a[i].logprobs.size(); ++t)
      EXPECT_NEAR(a[i].logprobs[t], b[i].logprobs[t], tolerance) << i << ", " << t;
  }
}

TEST(Scoring, DoesNotDependOnTheBatchInSinglePrecision) {
  InferenceModel model = random_model(at::kFloat);
  testing::add_bt(model, {});
  const auto requests = ragged_texts(model);
  expect_close(score(model, requests, 1), score(model, requests, 4), 1e-5);
}

TEST(Scoring, HasOneLogProbabilityPerTokenAfterTheFirst) {
  const InferenceModel model = random_model();
  const auto requests = ragged_texts(model);
  const auto scores = score(model, requests, 3);
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(scores[i].logprobs.size(), requests[i].ids.size() - 1);
  EXPECT_TRUE(std::isnan(scores[1].perplexity()));
  EXPECT_NEAR(scores[0].perplexity(), std::exp(-scores[0].sum() / 9), 1e-12);
}

// The tokens' own softmax of one plain pass, which knows nothing of plans' order.
TEST(Scoring, EqualsTheLogSoftmaxOfTheTeacherForcedPass) {
  InferenceModel model = random_model();
  testing::add_bt(model, {});
  const ScoreRequest request{model.encode("some steps\nof a text\nto score"), 11};
  Example example{.ids = request.ids, .prompt_length = 11, .supervised = std::vector<uint8_t>(request.ids.size(), 1)};
  example.supervised[0] = 0;
  const Plan plan = make_plan({example}, model.boundaries, model.trigger, model.eos_ids);
  const DevicePlan device = to_device(plan, at::kCPU);
  at::NoGradGuard no_grad;
  const Forward forward =
      teacher_forced(model.decoder(), model.method(), device, {.order = Order::step_major, .keep_logits = true});
  const at::Tensor log_p = forward.logits_MV.log_softmax(1);
  TextScore expected;
  for (int64_t m = 0; m < log_p.size(0); ++m)
    expected.logprobs.push_back(log_p[m][request.ids[static_cast<size_t>(m + 1)]].item<double>());
  expect_close(score(model, {request}, 1), {expected}, 1e-9);
}

TEST(Scoring, AGatedMethodIsScoredAsItDecodes) {
  const auto scored = [](const std::string& calls, double bias, const TriggerOptions& trigger,
                         std::optional<int64_t> join_after = {}) {
    InferenceModel model = random_model();
    auto options = std::make_unique<DcaOptions>();
    options->latents = 3;
    options->deviation = 0.5;
    options->calls = calls;
    options->asynchronous = join_after.has_value();
    options->join_after = join_after.value_or(-1);
    testing::add_method(model, "dca", std::move(options), trigger);
    if (calls == "learned") model.method()->parameters()->leaf("gate.bias").detach().fill_(bias);
    return score(model, ragged_texts(model), 2);
  };
  const InferenceModel alone = random_model();
  expect_close(scored("learned", 1, {}), scored("always", 0, {}), 1e-9);
  expect_close(scored("learned", -1, {}), score(alone, ragged_texts(alone), 2), 1e-9);
  for (const int64_t after : {-1, 0, 3}) {
    EXPECT_EQ(scored("learned", 1, {}, after).front().logprobs, scored("learned", 1, {}).front().logprobs)
        << "as in training, where latents enter at their boundary";
  }
  EXPECT_THROW(scored("learned", 1, {.inside_prompt = true}), Error) << "calls inside a prompt whose tokens are scored";
}

TEST(Scoring, AMethodActsAtTheBoundaries) {
  InferenceModel model = random_model();
  const auto requests = ragged_texts(model);
  const auto plain = score(model, requests, 4);
  testing::add_bt(model, {.kind = "newline", .at_prompt_end = false});
  const auto rewritten = score(model, requests, 4);
  expect_close({plain[2]}, {rewritten[2]}, 1e-12);  // one step: nothing to act on
  EXPECT_NE(plain[0].logprobs.back(), rewritten[0].logprobs.back());
  EXPECT_EQ(plain[0].logprobs.front(), rewritten[0].logprobs.front());
}

TEST(Scoring, ReadsIdsTextsAndPrompts) {
  const InferenceModel model = random_model();
  const auto read = [&](const char* line) {
    return read_score_request(model, Json::parse(line, "test"), "in.jsonl: object 1");
  };
  EXPECT_EQ(read(R"({"ids": [104, 105]})").ids, (std::vector<int32_t>{104, 105}));
  EXPECT_EQ(read(R"({"text": "hi"})").ids, (std::vector<int32_t>{104, 105}));
  EXPECT_EQ(read(R"({"text": "hi"})").prompt_length, 1);
  EXPECT_EQ(read(R"({"text": "hi", "prompt_length": 2})").prompt_length, 2);
  const ScoreRequest pair = read(R"({"prompt": "oh", "text": "hi"})");
  EXPECT_EQ(pair.ids, (std::vector<int32_t>{111, 104, 104, 105}));
  EXPECT_EQ(pair.prompt_length, 2);
  const ScoreRequest again =
      read(R"({"prompt": "oh", "text": "hi", "ids": [111, 104, 104, 105], "prompt_length": 2, "sum": -1})");
  EXPECT_EQ(again.ids, pair.ids) << "a line that was scored";
  EXPECT_EQ(again.prompt_length, 2);
  EXPECT_EQ(read(R"({"text": "hi", "ids": [104]})").ids, (std::vector<int32_t>{104}))
      << "as bt-data tokenize writes it";
  for (const char* bad : {R"({})", R"({"ids": []})", R"({"ids": [259]})", R"({"ids": [-1]})", R"({"ids": ["a"]})",
                          R"({"text": ""})", R"({"text": "hi", "prompt_length": 3})", R"({"text": 1})",
                          R"({"ids": [104], "text": "h", "prompt": "h"})", R"({"ids": [104], "prompt": "h"})",
                          R"({"text": "h", "prompt": "a", "prompt_length": 1})", R"({"text": "h", "prompt": ""})"}) {
    try {
      read(bad);
      ADD_FAILURE() << bad << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_file) << bad;
      EXPECT_NE(std::string(error.what()).find("in.jsonl: object 1"), std::string::npos) << error.what();
    }
  }
}

TEST(Scoring, SaysWhichOfTextAndPromptIsEmpty) {
  const InferenceModel model = random_model();  // without BOS
  const auto problem = [&](const char* line) -> std::string {
    try {
      read_score_request(model, Json::parse(line, "test"), "line");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(problem(R"({"text": "h", "prompt": ""})").find("the prompt is empty"), std::string::npos);
  EXPECT_NE(problem(R"({"text": ""})").find("a text without tokens"), std::string::npos);
  EXPECT_NE(problem(R"({"ids": [104], "prompt": "h"})").find("either \"ids\" or \"prompt\""), std::string::npos);
}

TEST(Scoring, WritesTheLineBackWithItsScore) {
  const Json line = Json::parse(R"({"text": "hi", "name": "x"})", "test");
  const Json out = scored_line(line, {{104, 105}}, {{-0.5}});
  EXPECT_EQ(
      out.dump(),
      R"({"text":"hi","name":"x","ids":[104,105],"prompt_length":1,"logprobs":[-0.5],"sum":-0.5,"ppl":1.6487212707001282})");
}

TEST(Scoring, LatentsAreReadButNotScored) {
  InferenceModel model = random_model();
  const auto requests = ragged_texts(model);
  const auto plain = score(model, requests, 2);
  testing::add_method(model, "pause", std::make_unique<PauseOptions>(), {.kind = "newline", .at_prompt_end = false});
  const auto paused = score(model, requests, 2);
  expect_close({plain[2]}, {paused[2]}, 1e-12);
  ASSERT_EQ(paused[0].logprobs.size(), plain[0].logprobs.size());
  EXPECT_EQ(plain[0].logprobs.front(), paused[0].logprobs.front());
  EXPECT_NE(plain[0].logprobs.back(), paused[0].logprobs.back());
}

}  // namespace
}  // namespace bt
