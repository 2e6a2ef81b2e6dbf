#include "bt/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/data/inspect.h"
#include "bt/data/tokenize.h"
#include "support/expect_error.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string written(const std::string& name, const std::string& text) {
  const std::string path =
      std::filesystem::path(::testing::TempDir()) / ("bt_dataset_" + std::to_string(::getpid()) + "_" + name);
  write_file_atomically(path, text);
  return path;
}

const Tokenizer& bytes() {
  static const auto kTokenizer = load_tokenizer("bytes");
  return *kTokenizer;
}

TEST(Dataset, SplitsLongTexts) {
  const std::string file = written("text.txt", "abcdefghij");
  const Dataset dataset = load_dataset(
      {.files = {file}, .prompt = "", .response = "{text}", .add_eos = false, .max_tokens = 4, .too_long = "split"},
      bytes());
  ASSERT_EQ(dataset.examples.size(), 3u);
  std::string joined;
  std::set<int64_t> keys;
  for (const Example& example : dataset.examples) {
    joined += bytes().decode(example.ids);
    EXPECT_EQ(example.supervised.front(), 0) << "nothing is before it";
    EXPECT_EQ(std::count(example.supervised.begin(), example.supervised.end(), 1),
              static_cast<int64_t>(example.ids.size()) - 1);
    EXPECT_EQ(example.source, 0);
    keys.insert(example.key());
  }
  EXPECT_EQ(joined, "abcdefghij");
  EXPECT_EQ(keys.size(), 3u) << "pieces of a text draw random numbers of their own";
  EXPECT_THAT(dataset.report.text(), HasSubstr("1 of 1 records, 10 tokens, 7 of them supervised; 1 split"));
  expect_error(ExitCode::usage, HasSubstr("data.prompt"), [&] {
    load_dataset({.files = {file}, .prompt = "Read: ", .response = "{text}", .too_long = "split"}, bytes());
  });
}

TEST(Dataset, OnlyTheResponseAndItsEosCountInTheLoss) {
  const std::string file = written("mask.jsonl", "{\"question\":\"ab\",\"answer\":\"c<<1=1>>\"}\n\n");
  Dataset dataset = load_dataset({.files = {file}}, bytes());
  ASSERT_EQ(dataset.examples.size(), 1u);
  EXPECT_THAT(dataset.examples[0].ids, ElementsAre('a', 'b', '\n', 'c', 257));
  EXPECT_EQ(dataset.examples[0].prompt_length, 3);
  EXPECT_THAT(dataset.examples[0].supervised, ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(dataset.report.sha256, ElementsAre(sha256_hex(read_file(file))));

  dataset = load_dataset(
      {.files = {file}, .strip_calculator = false, .answer_only = false, .add_bos = true, .add_eos = false}, bytes());
  EXPECT_EQ(bytes().decode(dataset.examples[0].ids), "<s>ab\nc<<1=1>>");
  EXPECT_EQ(dataset.examples[0].prompt_length, 4);
  EXPECT_EQ(dataset.examples[0].supervised[0], 0);
  EXPECT_EQ(dataset.report.supervised_tokens, 11);  // all but the first token
}

TEST(Dataset, LongExamplesAreDroppedOrCutAndCounted) {
  const std::string file = written("long.jsonl", R"({"question":"abcdefgh","answer":"x"}
{"question":"ab","answer":"xyz"}
{"question":"ab","answer":"vwxyz"}
)");
  Dataset dataset = load_dataset({.files = {file}, .max_tokens = 7}, bytes());
  ASSERT_EQ(dataset.examples.size(), 1u);
  EXPECT_EQ(dataset.examples[0].source, 1);
  EXPECT_EQ(dataset.report.dropped, 2);
  EXPECT_THAT(dataset.report.text(), AllOf(HasSubstr("1 of 3 records"), HasSubstr("2 dropped")));

  dataset = load_dataset({.files = {file}, .max_tokens = 7, .too_long = "truncate"}, bytes());
  ASSERT_EQ(dataset.examples.size(), 2u);  // of the first nothing supervised would be left
  EXPECT_EQ(bytes().decode(dataset.examples[1].ids), "ab\nvwxy");
  EXPECT_EQ(dataset.report.truncated, 1);
  EXPECT_EQ(dataset.report.dropped, 1);
  EXPECT_EQ(dataset.report.tokens, 14);
  EXPECT_EQ(dataset.report.supervised_tokens, 8);

  expect_error(ExitCode::bad_file, HasSubstr("no usable example"),
               [&] { load_dataset({.files = {file}, .max_tokens = 3}, bytes()); });
}

TEST(Dataset, ErrorsNameFileLineAndColumn) {
  const auto refuse = [](const std::string& text, const std::string& part) {
    const std::string file = written("bad.jsonl", text);
    expect_error(ExitCode::bad_file, AllOf(HasSubstr("bad.jsonl:2"), HasSubstr(part)),
                 [&] { load_dataset({.files = {file}}, bytes()); });
  };
  const std::string good = "{\"question\":\"a\",\"answer\":\"b\"}\n";
  refuse(good + "{\"question\":\"a\" \"answer\":\"b\"}\n", "bad.jsonl:2:24");
  refuse(good + "[1]\n", "array");
  refuse(good + "{\"question\":\"a\",\"question\":\"b\"}", "appears twice");
  refuse(good + "{\"question\":\"a\",\"reply\":\"b\"}", "answer");
  refuse(good + "{\"question\":\"a\",\"answer\":null}", "answer");
  refuse(good + "{\"question\":\"\xFF\",\"answer\":\"b\"}", "");
  expect_error(ExitCode::bad_file, HasSubstr("missing.jsonl"),
               [] { load_dataset({.files = {"missing.jsonl"}}, bytes()); });
  expect_error(ExitCode::usage, HasSubstr("too_long"), [] { load_dataset({.too_long = "wrap"}, bytes()); });
  expect_error(ExitCode::usage, HasSubstr("max_tokens"), [] { load_dataset({.max_tokens = 1}, bytes()); });
}

TEST(Dataset, APromptHasTheSameTokensWithAndWithoutItsResponse) {
  const Json record = Json::parse(R"({"question":"q","answer":"a"})", "test");
  const ExampleMaker maker({.add_bos = true}, bytes());
  const Example example = maker.example(record, "r");
  const std::vector<int32_t> prompt = maker.prompt_ids(record, "r");
  EXPECT_THAT(prompt, ElementsAre(256, 'q', '\n'));
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), example.ids.begin()));
}

TEST(Inspect, ShowsMaskAndSteps) {
  const std::string file = written("inspect.jsonl", "{\"question\":\"a\\t\",\"answer\":\"b\\nc\\u00e9\"}\n");
  const Dataset dataset = load_dataset({.files = {file}}, bytes());
  EXPECT_EQ(render_example(dataset.examples[0], bytes(), {}),
            "example 0: 9 tokens, prompt 3, 2 boundaries\n"
            "  step 0 | (a)(\\t)(\\n)\n"
            "  step 1 | [b][\\n]\n"
            "  step 2 | [c][\\xC3][\\xA9][</s>]\n");
  const std::string all = inspect_dataset(dataset, bytes(), {}, 1);
  EXPECT_THAT(all, AllOf(HasSubstr("1 of 1 records"), HasSubstr("step 2"), HasSubstr("tokens: 1 examples, mean 9.0")));
  EXPECT_THAT(inspect_dataset(dataset, bytes(), {}, 0), ::testing::Not(HasSubstr("step 2")));
}

TEST(Inspect, HistogramCountsEveryValueOnce) {
  EXPECT_EQ(histogram("t", {}), "t: none\n");
  EXPECT_EQ(histogram("t", {3, 3, 4, 6}, 2), "t: 4 examples, mean 4.0, 3 to 6\n          3-4        3 " +
                                                 std::string(50, '#') + "\n          5-6        1 " +
                                                 std::string(17, '#') + "\n");
}

TEST(Tokenize, AddsIdsAndDecodedText) {
  const std::string file = written("tokenize.jsonl", R"({"text": "aé", "id": 3}
{"ids": [256, 98, 257]}
)");
  EXPECT_EQ(tokenize_records(file, bytes(), {}),
            "{\"text\":\"aé\",\"id\":3,\"ids\":[97,195,169],\"decoded\":\"aé\"}\n"
            "{\"ids\":[256,98,257],\"decoded\":\"<s>b</s>\"}\n");
  EXPECT_THAT(tokenize_records(file, bytes(), {.add_special = true, .skip_special = true}),
              AllOf(HasSubstr("[256,97,195,169]"), HasSubstr("\"decoded\":\"b\"")));
}

TEST(Tokenize, NamesTheLineThatCannotBe) {
  const auto refuse = [](const std::string& line, const std::string& part) {
    const std::string file = written("untokenizable.jsonl", "{\"text\": \"a\"}\n" + line);
    expect_error(ExitCode::bad_file, AllOf(HasSubstr("untokenizable.jsonl:2"), HasSubstr(part)),
                 [&] { tokenize_records(file, bytes(), {}); });
  };
  refuse("{}", "nothing to tokenize");
  refuse("{\"ids\": [259]}", "259");
  refuse("{\"ids\": [-1]}", "-1");
  refuse("{\"ids\": [4294967296]}", "4294967296");
  refuse("{\"ids\": [1.5]}", "ids");
  refuse("{\"text\": 5}", "text");
}

TEST(Tokenize, TrainingTextsComeFromRecordsAndLines) {
  const std::string records = written("texts.jsonl", "{\"question\":\"a\",\"answer\":\"b\"}\n");
  const std::string lines = written("texts.txt", "x\ny");
  EXPECT_THAT(training_texts({records, lines}, "{question}\n{answer}"), ElementsAre("a\nb", "x", "y"));
}

}  // namespace
}  // namespace bt
