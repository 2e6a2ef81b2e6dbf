#include "bt/text/boundaries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bt/core/error.h"

namespace bt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A tokenizer that is only a list of token bytes; id 0 is EOS.
class ListTokenizer final : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> bytes) : bytes_(std::move(bytes)) {}
  int64_t vocab_size() const override { return static_cast<int64_t>(bytes_.size()); }
  std::vector<int32_t> encode(std::string_view, bool) const override { return {}; }
  std::unique_ptr<Decoding> start_decoding(bool) const override { return nullptr; }
  std::string token_bytes(int32_t id) const override { return bytes_[static_cast<size_t>(id)]; }
  bool is_special(int32_t id) const override { return id == 0; }
  std::optional<int32_t> bos_id() const override { return {}; }
  std::optional<int32_t> eos_id() const override { return 0; }
  std::optional<int32_t> pad_id() const override { return {}; }
  std::string fingerprint() const override { return {}; }
  void save(const std::string&) const override {}

 private:
  std::vector<std::string> bytes_;
};

enum Id : int32_t { eos, nl, word, dot_nl, space, double_nl, crlf, tab_word };
const std::vector<int32_t> kEos{eos};

const BoundaryTable& table() {
  static const BoundaryTable kTable(ListTokenizer({"", "\n", "a", ".\n", " ", "\n\n", "\r\n", "\tb"}), 8);
  return kTable;
}

std::vector<int64_t> starts(const std::vector<int32_t>& ids, int64_t prompt, const TriggerOptions& trigger) {
  return step_starts(ids, prompt, table(), trigger, kEos);
}

TriggerOptions response_only() { return {.at_prompt_end = false}; }

TEST(BoundaryTable, TellsNewlinesAndVisibleCharactersApart) {
  std::vector<int> newline, visible;
  for (int32_t id = 0; id < table().vocab_size(); ++id) {
    newline.push_back(table().has_newline(id));
    visible.push_back(table().is_visible(id));
  }
  EXPECT_THAT(newline, ElementsAre(0, 1, 0, 1, 0, 1, 1, 0));
  EXPECT_THAT(visible, ElementsAre(0, 0, 1, 1, 0, 0, 0, 1));
  EXPECT_TRUE(table().any_newline());
  EXPECT_FALSE(BoundaryTable(ListTokenizer({"", "a"}), 2).any_newline());
}

TEST(BoundaryTable, HasTheModelsEntriesWhateverTheTokenizerHas) {
  const BoundaryTable larger(ListTokenizer({"\n", "a"}), 4), smaller(ListTokenizer({"\n", "a"}), 1);
  EXPECT_EQ(larger.vocab_size(), 4);
  EXPECT_TRUE(larger.is_visible(1));
  EXPECT_FALSE(larger.is_visible(2) || larger.has_newline(3));
  EXPECT_EQ(smaller.vocab_size(), 1);
}

TEST(BoundaryTable, FromIdsMakesEveryOtherTokenVisible) {
  const BoundaryTable t = BoundaryTable::from_ids(3, std::vector<int32_t>{1});
  EXPECT_TRUE(t.has_newline(1) && !t.is_visible(1));
  EXPECT_TRUE(!t.has_newline(2) && t.is_visible(2) && t.is_visible(0));
}

TEST(StepStarts, FirstNewlineOfARunFiresAndTheRestOpenTheNextStep) {
  EXPECT_THAT(starts({word, nl, nl, word, nl, word}, 0, response_only()), ElementsAre(2, 5));
}

TEST(StepStarts, VisibleCharactersOfTheBoundaryTokenItselfCount) {
  EXPECT_THAT(starts({word, dot_nl, dot_nl, nl, word}, 0, response_only()), ElementsAre(2, 3));
}

TEST(StepStarts, ABlankStepDoesNotEnd) {
  EXPECT_THAT(starts({nl, space, double_nl, crlf, word, crlf, word}, 0, response_only()), ElementsAre(6));
}

TEST(StepStarts, MinStepTokensCountsVisibleTokens) {
  TriggerOptions trigger = response_only();
  trigger.min_step_tokens = 2;
  EXPECT_THAT(starts({word, nl, space, tab_word, nl, dot_nl, word, nl, word}, 0, trigger), ElementsAre(5, 8));
}

TEST(StepStarts, PromptEndIsABoundaryAndForgetsTheOpenStep) {
  const std::vector<int32_t> ids{word, nl, word, nl, word, nl, word};
  EXPECT_THAT(starts(ids, 3, {}), ElementsAre(3, 6));  // the newline at 3 follows no visible response token
  EXPECT_THAT(starts(ids, 3, response_only()), ElementsAre(6));
  EXPECT_THAT(starts(ids, 0, {}), ElementsAre(2, 4, 6));
  EXPECT_THAT(starts(ids, 7, {}), IsEmpty());  // nothing follows the prompt
}

TEST(StepStarts, InsidePromptFiresOnceWhereTheLastPromptTokenIsANewline) {
  TriggerOptions trigger{.inside_prompt = true};
  EXPECT_THAT(starts({word, nl, word, nl, word}, 4, trigger), ElementsAre(2, 4));
  EXPECT_THAT(starts({word, nl, word, word, word}, 4, trigger), ElementsAre(2, 4));
}

TEST(StepStarts, BeforeBoundaryTokenCutsInFrontOfTheSameTokens) {
  TriggerOptions trigger = response_only();
  trigger.before_boundary_token = true;
  EXPECT_THAT(starts({word, nl, nl, word, nl}, 0, trigger), ElementsAre(1, 4));
  trigger.at_prompt_end = true;
  EXPECT_THAT(starts({word, word, dot_nl, word, nl, word}, 2, trigger), ElementsAre(1, 2, 4));
  EXPECT_THAT(starts({word, word}, 2, trigger), ElementsAre(1));
}

TEST(StepStarts, ABoundaryWithNothingCachedIsNotOne) {
  TriggerOptions trigger{.before_boundary_token = true};
  EXPECT_THAT(starts({word, word, nl, word}, 1, trigger), ElementsAre(2));
  EXPECT_THAT(starts({dot_nl, word, nl, word}, 0, trigger), ElementsAre(2));
  EXPECT_THAT(starts({}, 0, {}), IsEmpty());
}

TEST(StepStarts, EosNeverFires) {
  TriggerOptions trigger = response_only();
  trigger.kind = "tokens";
  trigger.token_ids = {eos, word};
  EXPECT_THAT(starts({word, eos, space, word, eos}, 0, trigger), ElementsAre(1, 4));
}

TEST(StepStarts, EveryNCountsFromThePromptsEnd) {
  TriggerOptions trigger{.kind = "every_n", .every_n = 2};
  EXPECT_THAT(starts({word, word, word, word, word, word, word, word}, 3, trigger), ElementsAre(3, 5, 7));
  trigger.before_boundary_token = true;
  EXPECT_THAT(starts({word, word, word, word, word, word, word, word}, 3, trigger), ElementsAre(2, 4, 6));
}

TEST(StepStarts, MaxCallsIncludesThePromptsEnd) {
  TriggerOptions trigger{.max_calls = 2};
  EXPECT_THAT(starts({word, word, nl, word, nl, word}, 1, trigger), ElementsAre(1, 3));
}

TEST(StepStarts, KindNoneKeepsThePromptEndAlone) {
  TriggerOptions trigger{.kind = "none"};
  EXPECT_THAT(starts({word, word, nl, word}, 1, trigger), ElementsAre(1));
}

TEST(StepBegin, NeverReachesBackIntoThePromptExceptForTheTokenHeldBack) {
  EXPECT_EQ(step_begin(0, 5, 5, {}), 0);               // the prompt's own end
  EXPECT_EQ(step_begin(5, 8, 5, {}), 5);               // the first response step
  EXPECT_EQ(step_begin(0, 8, 5, response_only()), 5);  // the prompt's end was no boundary
  EXPECT_EQ(step_begin(4, 8, 5, response_only()), 5);  // a boundary inside the prompt was the last one
  EXPECT_EQ(step_begin(0, 3, 5, response_only()), 0);  // a boundary inside the prompt
  const TriggerOptions before{.before_boundary_token = true};
  EXPECT_EQ(step_begin(0, 4, 5, before), 0);
  EXPECT_EQ(step_begin(4, 7, 5, before), 4);  // row 4 is the prompt token held back
  EXPECT_EQ(step_begin(4, 5, 5, before), 4);
  EXPECT_EQ(step_begin(0, 5, 5, before), 5);  // first response token fires, nothing written: empty step
}

std::string refusal(const TriggerOptions& trigger, const BoundaryTable& of) {
  try {
    check_trigger(trigger, of);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(CheckTrigger, RefusesWhatCouldNeverWork) {
  const BoundaryTable blind(ListTokenizer({"", "a"}), 2);
  EXPECT_THAT(refusal({}, blind), ::testing::HasSubstr("no token with a newline"));
  EXPECT_EQ(refusal({}, table()), "");
  EXPECT_EQ(refusal({.kind = "none"}, blind), "");
  EXPECT_NE(refusal({.kind = "every_n", .every_n = 0}, table()), "");
  EXPECT_NE(refusal({.kind = "tokens"}, table()), "");
  EXPECT_THAT(refusal({.kind = "tokens", .token_ids = {8}}, table()), ::testing::HasSubstr("8"));
  EXPECT_EQ(refusal({.kind = "tokens", .token_ids = {7}}, table()), "");
  EXPECT_NE(refusal({.kind = "newlines"}, table()), "");
  EXPECT_EQ(refusal({.kind = "entropy", .threshold = 0.5}, blind), "");
  EXPECT_EQ(refusal({.kind = "surprise", .before_boundary_token = true}, blind), "");
  EXPECT_THAT(refusal({.kind = "surprise", .threshold = 0}, blind), ::testing::HasSubstr("above 0"));
  EXPECT_THAT(refusal({.kind = "surprise", .inside_prompt = true}, blind), ::testing::HasSubstr("prompt"));
  EXPECT_THAT(refusal({.kind = "entropy", .before_boundary_token = true}, blind), ::testing::HasSubstr("surprise"));
  EXPECT_NE(refusal({.min_step_tokens = -1}, table()), "");
}

// The definition, written again without any state that moves along: looks back from every token.
std::vector<int64_t> slow_starts(const std::vector<int32_t>& ids, int64_t prompt, const TriggerOptions& t,
                                 const std::vector<float>& uncertainty) {
  const auto n = static_cast<int64_t>(ids.size());
  const int64_t after = t.before_boundary_token ? 0 : 1;
  std::vector<int64_t> out;
  int64_t open = 0;   // first token counted for the open step
  int64_t last = -1;  // tokens read when the last boundary fired
  for (int64_t i = 0; i <= n; ++i) {
    const auto report = [&](int64_t cut, int64_t next_open) {
      const bool full = t.max_calls > 0 && static_cast<int64_t>(out.size()) >= t.max_calls;
      const bool pending = last >= 0 && next_open > last && next_open - last <= t.lag;
      if (cut <= 0 || full || pending) return;
      last = next_open;
      if (out.empty() || out.back() != cut) out.push_back(cut);
      open = next_open;
    };
    if (i == prompt) {
      open = i;
      if (t.at_prompt_end) report(i - 1 + after, i);
    }
    if (i == n) break;
    const int32_t id = ids[static_cast<size_t>(i)];
    if (id == eos || (i < prompt && !t.inside_prompt)) continue;
    int64_t seen = 0, visible = 0;
    for (int64_t j = open; j <= i; ++j) {
      seen += ids[static_cast<size_t>(j)] != eos;
      visible += table().is_visible(ids[static_cast<size_t>(j)]);
    }
    const bool ends = t.kind == "newline"   ? table().has_newline(id)
                      : t.kind == "every_n" ? seen >= t.every_n
                      : asks_model(t)       ? uncertainty[static_cast<size_t>(i)] >= t.threshold
                                            : t.kind == "tokens" && id == t.token_ids[0];
    if (ends && visible >= t.min_step_tokens) report(i + after, i + 1);
  }
  if (!out.empty() && out.back() >= n) out.pop_back();
  return out;
}

TEST(StepStarts, AgreesWithTheScannerAndWithThePlainDefinitionOnRandomSequences) {
  std::mt19937 random(7);
  const auto below = [&](int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); };
  const char* kinds[] = {"newline", "every_n", "tokens", "none", "entropy", "surprise"};
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<int32_t> ids(static_cast<size_t>(below(24)));
    std::vector<float> uncertainty(ids.size());
    for (int32_t& id : ids) id = below(8);
    for (float& nats : uncertainty) nats = static_cast<float>(below(5));
    const int64_t prompt = below(static_cast<int>(ids.size()) + 1);
    const TriggerOptions trigger{.kind = kinds[below(6)],
                                 .every_n = 1 + below(4),
                                 .token_ids = {below(8)},
                                 .threshold = 1.0 + below(4),
                                 .min_step_tokens = below(4),
                                 .at_prompt_end = below(2) == 0,
                                 .inside_prompt = below(2) == 0,
                                 .max_calls = below(4),
                                 .before_boundary_token = below(2) == 0,
                                 .lag = below(2) * below(5)};
    const int64_t after = trigger.before_boundary_token ? 0 : 1;
    BoundaryScanner scanner(table(), trigger, kEos);
    std::vector<int64_t> fired;
    for (int64_t i = 0; i < prompt; ++i) {
      if (scanner.push(ids[static_cast<size_t>(i)], uncertainty[static_cast<size_t>(i)])) fired.push_back(i + after);
    }
    if (scanner.begin_response()) fired.push_back(prompt - 1 + after);
    for (int64_t i = prompt; i < static_cast<int64_t>(ids.size()); ++i) {
      if (scanner.push(ids[static_cast<size_t>(i)], uncertainty[static_cast<size_t>(i)])) fired.push_back(i + after);
    }
    ASSERT_EQ(scanner.calls(), static_cast<int64_t>(fired.size()));
    if (!fired.empty() && fired.back() == static_cast<int64_t>(ids.size())) fired.pop_back();
    ASSERT_EQ(step_starts(ids, prompt, table(), trigger, kEos, uncertainty), fired) << "trial " << trial;
    ASSERT_EQ(fired, slow_starts(ids, prompt, trigger, uncertainty)) << "trial " << trial;
  }
}

}  // namespace
}  // namespace bt
