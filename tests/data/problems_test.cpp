#include "bt/data/problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

using Values = std::map<std::string, int64_t>;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::optional<int64_t> value_of(const Values& known, const std::string& name) {
  const auto it = known.find(name);
  return it == known.end() ? std::nullopt : std::optional<int64_t>(it->second);
}

// The value that a fact gives its first name, when the names it refers to are known.
std::optional<int64_t> read_fact(const std::vector<std::string>& w, const Values& known) {
  if (w.size() == 3) return std::stoll(w[2]);  // Dan has 5
  const std::optional<int64_t> other = value_of(known, w[w.size() == 8 ? 5 : w.size() - 1]);
  if (!other) return {};
  if (w.size() == 6) return w[3] == "more" ? *other + std::stoll(w[2]) : *other - std::stoll(w[2]);
  if (w.size() == 7) return 2 * *other;                          // Eve has twice as many as Ann
  const std::optional<int64_t> earlier = value_of(known, w[7]);  // Eve has as many as Ann plus Dan
  if (!earlier) return {};
  return w[6] == "plus" ? *other + *earlier : *other - *earlier;
}

// Reads the question text alone, until no fact says anything new. The asked name comes back in `asked`.
Values solve(const std::string& question, std::string& asked) {
  std::vector<std::vector<std::string>> facts;
  for (size_t begin = 0; begin < question.size();) {
    const size_t end = std::min(question.find(". ", begin), question.size());
    facts.push_back(words_of(question.substr(begin, end - begin)));
    begin = end + 2;
  }
  asked = facts.back()[3];
  facts.pop_back();
  Values known;
  for (size_t before = 99; before != known.size();) {
    before = known.size();
    for (const auto& fact : facts) {
      if (const auto value = read_fact(fact, known)) known[fact[0]] = *value;
    }
  }
  return known;
}

void expect_right(const WordProblem& problem, const ProblemOptions& options) {
  std::string asked;
  const Values values = solve(problem.question, asked);
  const std::vector<std::string> lines = split(problem.answer, '\n');
  ASSERT_EQ(lines.back(), str("#### ", values.at(asked))) << problem.question;
  const auto steps = static_cast<int64_t>(lines.size()) - 1;
  ASSERT_TRUE(options.min_steps <= steps && steps <= options.max_steps);
  for (int64_t i = 0; i < steps; ++i) {
    const std::vector<std::string> w = words_of(lines[static_cast<size_t>(i)]);
    const int64_t value = values.at(w[0]);
    ASSERT_TRUE(0 <= value && value <= options.max_value);
    ASSERT_EQ(w.back(), str(value)) << problem.question << "\n" << problem.answer;
    if (!options.verbose) continue;
    const int64_t a = std::stoll(w[2]), b = std::stoll(w[4]);
    ASSERT_EQ(w[3] == "+" ? a + b : w[3] == "-" ? a - b : a * b, value);
  }
}

TEST(Problems, AnswersAreRightWhenTheQuestionIsSolvedFromItsText) {
  const ProblemOptions base;
  std::vector<ProblemOptions> variants{base, shifted_problems(base, "longer"), shifted_problems(base, "larger"),
                                       shifted_problems(base, "distractors")};
  variants.push_back({.min_steps = 1,
                      .max_steps = 7,
                      .max_value = 99,
                      .max_operand = 30,
                      .two_operand_rate = 1.0,
                      .far = false,
                      .multiply = true,
                      .verbose = true,
                      .distractors = 6,
                      .names = 20});
  variants.push_back({.min_steps = 19, .max_steps = 19, .max_value = 2, .two_operand_rate = 1.0, .names = 20});
  for (const ProblemOptions& options : variants) {
    for (uint64_t i = 0; i < 400; ++i) expect_right(make_problem(options, 5, i), options);
  }
}

TEST(Problems, AProblemDependsOnSeedAndIndexAlone) {
  const ProblemOptions options;
  EXPECT_EQ(make_problem(options, 1, 7).question, make_problem(options, 1, 7).question);
  EXPECT_NE(make_problem(options, 1, 7).question, make_problem(options, 1, 8).question);
  EXPECT_NE(make_problem(options, 1, 7).question, make_problem(options, 2, 7).question);
  const auto few = make_problems(options, 3, 20), many = make_problems(options, 3, 60);
  for (size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].question, many[i].question);
}

TEST(Problems, TextStaysTheSameInEveryRelease) {
  const WordProblem problem = make_problem({}, 0, 0);
  EXPECT_EQ(problem.question,
            "Hal has 4 fewer than Eve. Cal has 1. Fay has 1 more than Dan. Eve has 1 more than Fay. "
            "Dan has 5 more than Cal. How many does Hal have?");
  EXPECT_EQ(problem.answer, "Dan has 6\nFay has 7\nEve has 8\nHal has 4\n#### 4");
}

std::set<std::string> keys(const std::vector<WordProblem>& problems) {
  std::set<std::string> out;
  for (const WordProblem& problem : problems) out.insert(problem_key(problem));
  return out;
}

TEST(Problems, KeyIgnoresTheOrderOfFacts) {
  EXPECT_EQ(problem_key({.question = "Ann has 1 more than Bob. Bob has 2. How many does Ann have?"}),
            problem_key({.question = "Bob has 2. Ann has 1 more than Bob. How many does Ann have?"}));
  EXPECT_NE(problem_key({.question = "Ann has 1 more than Bob. Bob has 2. How many does Ann have?"}),
            problem_key({.question = "Bob has 2. Ann has 1 more than Bob. How many does Bob have?"}));
}

TEST(Problems, ASetHasNoTwoEqualProblemsAndSplitsNeverOverlap) {
  const ProblemOptions tight{
      .max_steps = 2, .max_value = 4, .max_operand = 2, .names = 3};  // few exist: collisions abound
  const auto train = keys(make_problems(tight, 1, 100, "train"));
  EXPECT_EQ(train.size(), 100u);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    for (const char* other : {"validation", "test"}) {
      for (const std::string& key : keys(make_problems(tight, seed, 8, other))) EXPECT_EQ(train.count(key), 0u) << key;
    }
  }
  size_t in_train = 0;
  const auto all = keys(make_problems({}, 1, 2000));
  const auto train_part = keys(make_problems({}, 1, 1600, "train"));
  for (const std::string& key : all) in_train += train_part.count(key);
  EXPECT_NEAR(static_cast<double>(in_train), 1600, 80);  // 80 %, 18 per standard deviation
}

void expect_usage(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

TEST(Problems, RefusesOptionsThatCannotBeMet) {
  expect_usage([] { make_problem({.min_steps = 3, .max_steps = 2}, 0, 0); }, "min_steps");
  expect_usage([] { make_problem({.max_steps = 8}, 0, 0); }, "names");
  expect_usage([] { make_problem({.distractors = 2}, 0, 0); }, "names");
  expect_usage([] { make_problem({.names = 21}, 0, 0); }, "names");
  expect_usage([] { make_problem({.distractors = INT64_MAX}, 0, 0); }, "distractors");
  expect_usage([] { make_problem({.max_value = 1}, 0, 0); }, "max_value");
  expect_usage([] { make_problem({.two_operand_rate = std::nan("")}, 0, 0); }, "two_operand_rate");
  expect_usage([] { make_problems({}, 0, -1); }, "out of range");
  expect_usage([] { make_problems({}, 0, 1, "valid"); }, "valid");
  expect_usage([] { shifted_problems({}, "harder"); }, "harder");
  expect_usage([] { shifted_problems({.max_value = INT64_MAX}, "larger"); }, "max_value");
  expect_usage([] { shifted_problems({.max_operand = INT64_MAX}, "larger"); }, "max_operand");
  expect_usage([] { shifted_problems({.max_steps = INT64_MAX}, "longer"); }, "names");
  const ProblemOptions tiny{.min_steps = 1, .max_steps = 1, .max_value = 2, .max_operand = 1, .names = 2};
  expect_usage([&] { make_problems(tiny, 0, 1000); }, "different");
}

TEST(Problems, JsonlHoldsGsm8ksFields) {
  const std::vector<WordProblem> problems = make_problems({}, 4, 3);
  const std::vector<std::string> lines = split(problems_jsonl(problems), '\n');
  ASSERT_EQ(lines.size(), 4u);  // the last one is empty
  const Json line = Json::parse(lines[1], "problems");
  EXPECT_EQ(line.at("question", "").as_string(""), problems[1].question);
  EXPECT_EQ(line.at("answer", "").as_string(""), problems[1].answer);
}

}  // namespace
}  // namespace bt
