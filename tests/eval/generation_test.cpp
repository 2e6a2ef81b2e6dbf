#include "bt/eval/generation.h"

#include <algorithm>
#include <map>

#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/eval/stop_strings.h"
#include "bt/eval/trace.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/text/json_lines.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using testing::random_model;
using testing::scripted_model;

// Prompts of many lengths, neither sorted nor as many as the slots.
std::vector<GenerationRequest> ragged_requests(const InferenceModel& model) {
  std::vector<GenerationRequest> requests;
  for (const char* text :
       {"one", "a longer prompt\nof two lines", "x", "forty-two apples, and some", "\n\n", "seven", "last one?"}) {
    requests.push_back({100 + requests.size(), model.encode(text), 9 + static_cast<int64_t>(requests.size())});
  }
  return requests;
}

std::vector<std::vector<int32_t>> ids_of(const std::vector<Completion>& completions) {
  std::vector<std::vector<int32_t>> ids;
  for (const Completion& completion : completions) ids.push_back(completion.ids);
  return ids;
}

class GenerationTest : public ::testing::TestWithParam<const char*> {
 protected:
  GenerationTest() : model_(random_model()) {
    if (GetParam() == std::string("bt")) testing::add_bt(model_);
    if (GetParam() == std::string("bt_before")) {
      testing::add_bt(model_, {.kind = "every_n", .every_n = 4, .before_boundary_token = true});
    }
    if (GetParam() == std::string("pause")) {
      auto options = std::make_unique<PauseOptions>();
      options->count = 3;
      testing::add_method(model_, "pause", std::move(options), {.kind = "every_n", .every_n = 2});
    }
  }
  InferenceModel model_;
};

TEST_P(GenerationTest, DoesNotDependOnTheBatch) {
  const auto requests = ragged_requests(model_);
  const auto alone = generate(model_, requests, {.slots = 1});
  for (const int64_t slots : {3, 8}) {
    const auto together = generate(model_, requests, {.slots = slots});
    EXPECT_EQ(ids_of(together), ids_of(alone)) << slots << " slots";
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(together[i].boundaries, alone[i].boundaries) << "request " << i;
      EXPECT_EQ(together[i].prompt_calls, alone[i].prompt_calls) << "request " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, GenerationTest, ::testing::Values("none", "bt", "bt_before", "pause"),
                         [](const auto& one) { return std::string(one.param); });

// Every generated token is the one that a pass over the whole text ranks first: cached = uncached.
void expect_teacher_forced_argmax(const InferenceModel& model) {
  const auto requests = ragged_requests(model);
  const auto completions = generate(model, requests, {.slots = 3});
  std::vector<Example> batch;
  for (size_t i = 0; i < requests.size(); ++i) {
    Example example{.ids = requests[i].prompt,
                    .prompt_length = static_cast<int64_t>(requests[i].prompt.size()),
                    .supervised = std::vector<uint8_t>(requests[i].prompt.size(), 0),
                    .source = static_cast<int64_t>(requests[i].id)};
    example.ids.insert(example.ids.end(), completions[i].ids.begin(), completions[i].ids.end());
    example.supervised.resize(example.ids.size(), 1);
    batch.push_back(std::move(example));
  }
  at::NoGradGuard no_grad;
  const Plan plan = make_plan(batch, model.boundaries, model.trigger, model.eos_ids);
  const DevicePlan device = to_device(plan, at::kCPU);
  const Forward forward = teacher_forced(model.decoder(), model.method(), device, {});
  EXPECT_GT(forward.correct_M.numel(), 60);
  EXPECT_TRUE(forward.correct_M.all().item<bool>());
}

TEST(Generation, EqualsTheUncachedArgmax) { expect_teacher_forced_argmax(random_model()); }

TEST(Generation, EqualsTheUncachedArgmaxUnderAMethod) {
  InferenceModel model = random_model();
  testing::add_bt(model);
  expect_teacher_forced_argmax(model);
}

TEST(Generation, AMethodChangesTheText) {  // else the test above shows nothing
  InferenceModel model = random_model();
  const auto without = ids_of(generate(model, ragged_requests(model), {.slots = 3}));
  testing::add_bt(model);
  EXPECT_NE(ids_of(generate(model, ragged_requests(model), {.slots = 3})), without);
}

TEST(Generation, StopsAtAStringThatSpansTokens) {
  const InferenceModel model = scripted_model("?abcdef");
  const std::vector<GenerationRequest> request = {{7, model.encode("why?"), 20}};
  const Completion whole = generate(model, request, {})[0];
  EXPECT_EQ(whole.text, "abcdef");
  EXPECT_EQ(whole.finish, FinishReason::eos);
  const Completion stopped = generate(model, request, {.stop = {"zz", "cd", "de"}})[0];
  EXPECT_EQ(stopped.text, "ab");
  EXPECT_EQ(stopped.ids.size(), 4u);
  EXPECT_EQ(stopped.finish, FinishReason::stop);
}

TEST(Generation, LeavesTheEndTokenOut) {
  const InferenceModel model = scripted_model("?ab");
  const Completion done = generate(model, {{7, model.encode("?"), 20}}, {})[0];
  EXPECT_EQ(done.ids, (std::vector<int32_t>{'a', 'b'}));
}

TEST(Generation, EndsByLength) {
  const InferenceModel model = scripted_model("?abcdef");
  const Completion cut = generate(model, {{7, model.encode("?"), 3}}, {})[0];
  EXPECT_EQ(cut.text, "abc");
  EXPECT_EQ(cut.finish, FinishReason::length);
}

TEST(Generation, CountsTheCallsOnThePromptApart) {
  InferenceModel model = scripted_model("?a\nb");
  testing::add_bt(model, {.kind = "newline", .inside_prompt = true});
  const Completion done = generate(model, {{7, model.encode("one\ntwo?"), 20}}, {})[0];
  EXPECT_EQ(done.text, "a\nb");
  EXPECT_EQ(done.boundaries, (std::vector<int64_t>{4, 8, 10}));
  EXPECT_EQ(done.prompt_calls, 2);
}

TEST(Generation, TellsEachTokenOnceAndInOrder) {
  const InferenceModel model = scripted_model("?abcdef");
  std::string text;
  size_t finished = 0;
  generate(model, {{7, model.encode("?"), 20}}, {},
           {.on_text = [&](size_t, std::string_view bytes) { text += bytes; },
            .on_completion = [&](size_t, const Completion&) { ++finished; }});
  EXPECT_EQ(text, "abcdef");
  EXPECT_EQ(finished, 1u);
}

TEST(Generation, KeepsWhatAnInterruptionLeaves) {
  const InferenceModel model = scripted_model("?abcdef");
  int steps = 0;
  const auto completions = generate(model, {{7, model.encode("?"), 20}, {8, model.encode("?"), 20}}, {.slots = 1},
                                    {.interrupted = [&] { return steps++ == 2; }});
  EXPECT_EQ(completions[0].text, "ab");
  EXPECT_EQ(completions[0].finish, FinishReason::interrupted);
  EXPECT_FALSE(completions[1].started());
}

TEST(Generation, ARowOfAPaddedHeadMayWinAndIsNoText) {
  InferenceModel model = random_model();
  ModelConfig config = testing::byte_config();
  config.vocab_size = 400;
  model.backbone = testing::tiny_backbone(config, false);
  model.boundaries = BoundaryTable(*model.tokenizer, config.vocab_size);
  std::string shown;
  const auto completions =
      generate(model, ragged_requests(model), {.slots = 3},
               {.on_text = [&](size_t request, std::string_view text) { shown += request == 0 ? text : ""; }});
  std::vector<int32_t> text = completions[0].ids;
  EXPECT_GT(std::erase_if(text, [](int32_t id) { return id >= 259; }), 0u) << "nothing to see";
  EXPECT_EQ(completions[0].text, model.tokenizer->decode(text, true));
  EXPECT_EQ(shown, completions[0].text);
}

TEST(Generation, TracesEveryCall) {
  InferenceModel model = random_model();
  testing::add_bt(model);
  const auto before = generate(model, ragged_requests(model), {.slots = 3});
  const Trace trace(model);
  const auto completions = generate(model, ragged_requests(model), {.slots = 3});
  EXPECT_EQ(ids_of(completions), ids_of(before));
  size_t calls = 0;
  for (const Completion& completion : completions) calls += completion.boundaries.size();
  const std::vector<Json> lines = parse_json_lines(trace.lines(), "trace");
  ASSERT_EQ(lines.size(), calls);
  const Json& layer = lines.back().at("layers", "").as_array("").at(2);
  EXPECT_GT(layer.at("recent", "").as_array("").size(), 0u);
  EXPECT_GT(layer.at("size", "").as_double(""), 0);
}

// Rows of every layer, by request and boundary.
std::map<std::pair<int64_t, int64_t>, std::string> traced_rows(int64_t slots) {
  InferenceModel model = random_model();
  testing::add_bt(model);
  std::vector<GenerationRequest> requests;
  for (uint64_t i = 0; i < 40; ++i) requests.push_back({i, model.encode(str("number ", i * i, "\n is ")), 5});
  const Trace trace(model);
  generate(model, requests, {.slots = slots});
  std::map<std::pair<int64_t, int64_t>, std::string> rows;
  for (const Json& line : parse_json_lines(trace.lines(), "trace")) {
    std::string& here = rows[{line.at("request", "").as_int(""), line.at("boundary", "").as_int("")}];
    for (const Json& layer : line.at("layers", "").as_array(""))
      here += layer.at("recent", "").dump() + layer.at("recalled", "").dump() + "; ";
  }
  return rows;
}

TEST(Generation, TracesTheSameOfManyAtATime) {
  const auto few = traced_rows(3), many = traced_rows(40);
  EXPECT_GE(few.size(), 40u);
  EXPECT_EQ(many, few);
}

// How often 40 prompts' ends count as calls, where one layer of three calls or none.
size_t learned_calls(std::optional<int64_t> calling_layer, int64_t slots) {
  InferenceModel model = random_model();
  auto options = std::make_unique<BtOptions>(testing::tiny_bt());
  options->calls = "learned";
  testing::add_method(model, "bt", std::move(options), {});
  for (int64_t layer = 0; layer < 3; ++layer)
    model.method()->parameters()->leaf("call_bias", layer).detach().fill_(calling_layer == layer ? 30 : -30);
  std::vector<GenerationRequest> requests;
  for (uint64_t i = 0; i < 40; ++i) requests.push_back({i, model.encode("one two"), 1});
  size_t calls = 0;
  for (const Completion& completion : generate(model, requests, {.slots = slots}))
    calls += static_cast<size_t>(completion.prompt_calls);
  return calls;
}

TEST(Generation, ACallIsMadeWhereAnyLayerMakesOne) {
  for (const int64_t slots : {1, 40}) {
    for (int64_t layer = 0; layer < 3; ++layer) EXPECT_EQ(learned_calls(layer, slots), 40u) << "layer " << layer;
    EXPECT_EQ(learned_calls({}, slots), 0u);
  }
}

TEST(Generation, RefusesToTraceWithoutARewrite) {
  InferenceModel model = random_model();
  EXPECT_THROW(Trace{model}, Error);
}

TEST(Generation, AStopTokenEndsAnAnswerAndIsNoPartOfIt) {
  const InferenceModel model = scripted_model("?abcdef");
  const Completion done = generate(model, {{7, model.encode("?"), 20}}, {.stop_tokens = {'x', 'd'}})[0];
  EXPECT_EQ(done.text, "abc");
  EXPECT_EQ(done.finish, FinishReason::stop);
}

// Texts as they are shown piece by piece, and the pieces.
struct Shown {
  std::string text;
  std::vector<std::string> pieces;
};

Shown shown(const InferenceModel& model, const GenerationOptions& options) {
  Shown out;
  generate(model, {{7, model.encode("?"), 20}}, options, {.on_text = [&](size_t, std::string_view piece) {
             out.text += piece;
             out.pieces.emplace_back(piece);
           }});
  return out;
}

TEST(Generation, AStopStringIsNeverShown) {
  const InferenceModel model = scripted_model("?abcdef");
  EXPECT_EQ(shown(model, {.stop = {"cde"}}).text, "ab");
  EXPECT_EQ(shown(model, {.stop = {"cdx", "efg"}}).text, "abcdef") << "what was held back comes in the end";
}

TEST(Generation, ACharacterIsShownWhole) {
  const InferenceModel model = scripted_model("?a\xC3\xA9z\xE2\x82\xAC");
  EXPECT_EQ(shown(model, {}).pieces, (std::vector<std::string>{"a", "\xC3\xA9", "z", "\xE2\x82\xAC"}));
}

// The engine's own place: what a penalty has seen are the prompt's tokens and the answer's.
TEST(Generation, ARepetitionPenaltyCountsPromptAndAnswer) {
  const InferenceModel model = random_model();
  const auto requests = ragged_requests(model);
  const SamplingOptions heavy{.repetition_penalty = 1e6};
  const auto alone = generate(model, requests, {.slots = 1, .sampling = heavy});
  EXPECT_EQ(ids_of(generate(model, requests, {.slots = 3, .sampling = heavy})), ids_of(alone));
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<int32_t> ids = requests[i].prompt;
    ids.insert(ids.end(), alone[i].ids.begin(), alone[i].ids.end());
    const auto answer = ids.begin() + static_cast<int64_t>(requests[i].prompt.size());
    for (auto it = answer; it != ids.end(); ++it)
      EXPECT_EQ(std::find(ids.begin(), it, *it), it) << "a token came again in answer " << i;
  }
  EXPECT_NE(ids_of(generate(model, requests, {.slots = 1})), ids_of(alone));
}

TEST(Generation, SampledAnswersDependOnTheSeedNotOnTheBatch) {
  const InferenceModel model = random_model();
  auto requests = ragged_requests(model);
  const GenerationOptions options{
      .slots = 3,
      .sampling = {.repetition_penalty = 1.2, .temperature = 1.1, .top_k = 40, .top_p = 0.9, .min_p = 0.01, .seed = 5}};
  const auto together = ids_of(generate(model, requests, options));
  GenerationOptions other = options;
  other.sampling.seed = 6;
  EXPECT_NE(ids_of(generate(model, requests, other)), together);
  std::reverse(requests.begin(), requests.end());
  other = options;
  other.slots = 1;
  auto reversed = ids_of(generate(model, requests, other));
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(reversed, together);
}

TEST(StopStrings, AreFoundAcrossPiecesAndNeverShown) {
  StopStrings stops({"", "Question:", "</s>"});
  EXPECT_EQ(stops.push("so it is Quest"), "so it is ");
  EXPECT_EQ(stops.push("ion"), "");
  EXPECT_EQ(stops.push("s? Question"), "Questions? ");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.push(": next"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, TheEarliestEndsTheText) {
  StopStrings stops({"later", "now"});
  EXPECT_EQ(stops.push("not now but later"), "not ");
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStrings, OverlappingBeginningsAreTriedAgain) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.push("aa"), "");
  EXPECT_EQ(stops.push("a"), "a");
  EXPECT_EQ(stops.push("b!"), "");
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStrings, GiveBackWhatWasHeld) {
  StopStrings stops({"abc"});
  EXPECT_EQ(stops.push("xab"), "x");
  EXPECT_EQ(stops.finish(), "ab");
  EXPECT_EQ(StopStrings({}).push("abc"), "abc");
}

}  // namespace
}  // namespace bt
