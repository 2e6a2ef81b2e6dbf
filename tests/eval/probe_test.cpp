#include "bt/eval/probe.h"

#include <gmock/gmock.h>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

// At every call the newest row gets a number, each in a channel of its own.
class WritesALabel final : public Method, public Rewrite {
 public:
  explicit WritesALabel(std::map<std::pair<int64_t, int64_t>, int64_t> values) : values_(std::move(values)) {}
  std::string_view name() const override { return "writes_a_label"; }
  Effects effects() const override { return {.rewrite = this}; }
  int64_t recent_capacity() const override { return 3; }
  ChosenRows choose(const EventRows& events) const override {
    const at::Tensor newest_E1 = (events.rows_E - 1).unsqueeze(1);
    return {at::cat({newest_E1 - 1, newest_E1}, 1), at::ones({newest_E1.size(0), 2}, at::kChar)};
  }
  Edit edit(const Events& events, at::TensorList) const override {
    at::Tensor delta = at::zeros_like(events.u_YEWC);
    for (int64_t e = 0; e < delta.size(1); ++e) {
      const auto value = values_.find({events.source_E[e].item<int64_t>(), events.ordinal_E[e].item<int64_t>()});
      if (value != values_.end()) delta.select(1, e).select(1, 1).select(-1, value->second).fill_(10);
    }
    return {delta, at::ones({}, delta.options())};
  }

 private:
  std::map<std::pair<int64_t, int64_t>, int64_t> values_;  // by text and call
};

constexpr int64_t kTexts = 60;

// Two steps a text. The label `hidden` of a call is nowhere in the text; `digit` is the character before its newline.
struct Probed {
  InferenceModel model = testing::random_model();
  std::vector<ProbeText> texts;
  Probed() {
    std::map<std::pair<int64_t, int64_t>, int64_t> values;
    for (int64_t t = 0; t < kTexts; ++t) {
      ProbeText text;
      const std::string a = std::to_string(t % 3), b = std::to_string(t % 5);
      text.request = {model.encode("q\n" + a + "\n" + b + "\nend"), 2};
      const auto hidden = [](int64_t number, int64_t call) { return (number / 2 + number / 7 + call) % 3; };
      for (int64_t call = 0; call < 3; ++call) {
        values[{t, call}] = hidden(t, call);
        text.labels["hidden"].push_back(str(hidden(t, call)));
      }
      text.labels["digit"] = {{}, a, b};
      text.labels["length"] = {std::string("same")};
      texts.push_back(std::move(text));
    }
    model.latent.method = std::make_unique<WritesALabel>(values);
    model.trigger = {.kind = "newline", .at_prompt_end = true};
  }
};

const Probe& find(const std::vector<Probe>& probes, const std::string& label, const std::string& row, int64_t layer) {
  for (const Probe& one : probes) {
    if (one.label == label && one.row == row && one.layer == layer) return one;
  }
  throw std::runtime_error("no probe of " + label + " at " + row);
}

TEST(Probe, ReadsWhatWasWrittenOnlyAfterwardsAndWhatStandsThereBefore) {
  Probed probed;
  const std::vector<Probe> probes = probe(probed.model, probed.texts, {.rows = 3, .batch_size = 7});
  for (int64_t layer = 0; layer < 2; ++layer) {
    const Probe& hidden = find(probes, "hidden", "-1", layer);
    EXPECT_EQ(hidden.calls, 3 * kTexts);
    EXPECT_EQ(hidden.classes, 3);
    EXPECT_EQ(hidden.after, 1);
    EXPECT_LT(hidden.before, 0.7);
    EXPECT_NEAR(hidden.most_common, 1. / 3, 0.05);
    const Probe& digit = find(probes, "digit", "-2", layer);
    EXPECT_EQ(digit.calls, 2 * kTexts) << "the prompt's call has no label";
    EXPECT_EQ(digit.classes, 5);
    EXPECT_EQ(digit.before, digit.after) << "only the newest row is written";
  }
  EXPECT_EQ(find(probes, "digit", "-2", 0).before, 1) << "the first layer's entry of a token is its own";
  for (const Probe& one : probes) {
    EXPECT_NE(one.label, "length") << "one class";
    EXPECT_NE(one.row, "-3") << "two rows are rewritten";
    EXPECT_NE(one.row, "recalled");
  }
}

// The running model is asked first, with the same method and other batches.
TEST(Probe, CountsEveryCallOnceWhereTheModelDecidesOnThem) {
  Probed probed;
  for (int64_t t = 0; t < kTexts; ++t) probed.texts[static_cast<size_t>(t)].labels = {{"third", {str(t % 3)}}};
  probed.model.trigger = {.kind = "surprise", .live = true, .at_prompt_end = true, .max_calls = 1};
  const std::vector<Probe> probes = probe(probed.model, probed.texts, {.rows = 3, .batch_size = 7});
  EXPECT_EQ(find(probes, "third", "-1", 0).calls, kTexts);
}

TEST(Probe, DoesNotDependOnTheBatch) {
  Probed one, many;
  const auto a = probe(one.model, one.texts, {.batch_size = 1}), b = probe(many.model, many.texts, {.batch_size = 64});
  EXPECT_EQ(probes_text(a), probes_text(b));
}

TEST(Probe, SeesWhatIsRecalledAndAppended) {
  for (const std::string method : {"bt", "append_rows"}) {
    Probed probed;
    testing::add_bt(probed.model, {.kind = "newline", .at_prompt_end = true});
    if (method == "append_rows") {
      auto options = std::make_unique<AppendRowsOptions>();
      testing::add_method(probed.model, method, std::move(options), {.kind = "newline", .at_prompt_end = true});
    }
    const std::vector<Probe> probes = probe(probed.model, probed.texts, {.rows = 2});
    EXPECT_GT(find(probes, "digit", "recalled", 1).calls, 0) << method;
  }
}

TEST(Probe, RefusesWhatDoesNotFit) {
  Probed probed;
  probed.texts[4].labels["hidden"].pop_back();
  try {
    probe(probed.model, probed.texts, {});
    FAIL() << "two labels for three calls";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("text 5: labels: hidden"));
  }
  InferenceModel plain = testing::random_model();
  EXPECT_THROW(probe(plain, {}, {}), Error);
}

TEST(Probe, ReadsLines) {
  const InferenceModel model = testing::random_model();
  const auto read = [&](const char* line) { return read_probe_text(model, Json::parse(line, "line"), "line"); };
  const ProbeText text = read(R"({"prompt": "q\n", "text": "3\n", "labels": {"a": ["x", null, 3], "b": true}})");
  EXPECT_EQ(text.request.prompt_length, 2);
  using Labels = std::vector<std::optional<std::string>>;
  EXPECT_EQ(text.labels.at("a"), (Labels{"x", {}, "3"}));
  EXPECT_EQ(text.labels.at("b"), (Labels{"true"}));
  EXPECT_THROW(read(R"({"text": "3\n"})"), Error);
  EXPECT_THROW(read(R"({"text": "3\n", "labels": ["a"]})"), Error);
  EXPECT_THROW(read(R"({"text": "3\n", "labels": {"a": [["x"]]}})"), Error);
}

}  // namespace
}  // namespace bt
