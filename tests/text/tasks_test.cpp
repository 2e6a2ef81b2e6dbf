#include "bt/text/tasks.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>
#include <string>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"

namespace bt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kFixtures = str(BT_SOURCE_DIR, "/tests/text/fixtures");

template <class Body>
Problem problem_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.problem();
  }
  return {};
}

// SHA-256 of all prompts and targets against lm-evaluation-harness's own (make_prompt_fixtures.py).
void expect_harness_prompts(const std::string& data, const std::string& data_dir) {
  int checked = 0;
  for (const Json& row : read_json_lines(kFixtures + "/prompt_hashes.jsonl")) {
    if (row.at("data", "row").as_string("row") != data) continue;
    const Task& task = find_task(row.at("task", "row").as_string("row"));
    std::string text;
    const auto prompts = make_prompts(task, data_dir, {});
    for (const Prompt& prompt : prompts) text += prompt.text + '\0' + prompt.target + '\0';
    EXPECT_EQ(static_cast<int64_t>(prompts.size()), row.at("documents", "row").as_int("row")) << task.name;
    EXPECT_EQ(sha256_hex(text), row.at("sha256", "row").as_string("row")) << task.name;
    ++checked;
  }
  EXPECT_EQ(checked, 8);
}

TEST(Prompts, OfOwnProblemsAreTheHarnessesByteForByte) { expect_harness_prompts("own", kFixtures + "/prompt_data"); }

TEST(PublicData, GivesTheHarnessesPromptsByteForByte) {
  const char* folder = std::getenv("BT_DATA_DIR");
  if (folder == nullptr) GTEST_SKIP() << "BT_DATA_DIR does not name a folder with gsm8k and math";
  expect_harness_prompts("public", folder);
}

TEST(PublicData, HasGoldAnswersThatGradeAsRight) {
  const char* folder = std::getenv("BT_DATA_DIR");
  if (folder == nullptr) GTEST_SKIP() << "BT_DATA_DIR does not name a folder with gsm8k and math";
  for (const char* name : {"gsm8k_sft", "gsm8k", "math_sft"}) {
    const Task& task = find_task(name);
    for (const Prompt& prompt : make_prompts(task, folder, {})) {
      const std::string gold = gold_of(task, prompt.document);
      for (const FilterGrade& grade : task.grade(gold, gold)) EXPECT_EQ(grade.score, 1) << name << " " << prompt.doc_id;
    }
  }
}

TEST(Prompts, SftTaskUsesTheRunsTemplate) {
  const Task& task = find_task("gsm8k_sft");
  const auto prompts =
      make_prompts(task, kFixtures + "/prompt_data", {.prompt_template = "<{question}>\n", .limit = 1});
  ASSERT_EQ(prompts.size(), 1u);
  EXPECT_EQ(prompts[0].text, "<A rope of 1,200 cm is cut in 4 equal parts. How long is one?>\n");
  EXPECT_THAT(prompts[0].target, HasSubstr("#### 300"));
}

TEST(Prompts, TemplateForATaskWithItsOwnPromptIsRefused) {
  const auto make = [] {
    make_prompts(find_task("gsm8k"), kFixtures + "/prompt_data", {.prompt_template = "{question}"});
  };
  EXPECT_THAT(problem_of(make).what, HasSubstr("prompt of its own"));
}

TEST(Prompts, SubtasksCountTheirOwnDocuments) {
  const auto prompts = make_prompts(find_task("hendrycks_math_counting_and_prob"), kFixtures + "/prompt_data", {});
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[1].doc_id, 1);
  EXPECT_THAT(prompts[1].text, HasSubstr("coin"));
}

TEST(Prompts, MissingDataIsABadFile) {
  EXPECT_THROW(make_prompts(find_task("gsm8k_cot"), kFixtures + "/nowhere", {}), Error);
}

TEST(FindTask, NamesTheNearestTask) {
  EXPECT_EQ(problem_of([] { find_task("gsm8k_cto"); }).expected, "gsm8k_cot");
  EXPECT_EQ(problem_of([] { find_task("nope"); }).where.find("--task"), std::string::npos) << "--tasks has names, too";
}

TEST(PromptTemplate, NeedsAField) {
  for (const char* good : {"{question}", "{{a}} {question}", "{{{question}}}"})
    EXPECT_NO_THROW(check_prompt_template(good)) << good;
  for (const char* bad : {"hello", "{{question}}", "", "{question"})
    EXPECT_THROW(check_prompt_template(bad), Error) << bad;
}

TEST(Tasks, HaveDistinctNamesAndWholeDefinitions) {
  std::set<std::string> names;
  for (const Task& task : tasks()) {
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
    EXPECT_FALSE(task.data_file.empty() || task.gold_field.empty() || task.grader.empty() || task.prompt_form.empty())
        << task.name;
    EXPECT_TRUE(task.target && task.grade) << task.name;
    EXPECT_NE(task.default_template.empty(), task.question == nullptr) << task.name;
  }
}

TEST(Tasks, GradeAnyBytes) {
  for (const Task& task : tasks()) {
    const std::string gold = task.gold_field == "solution" ? "\\boxed{5}" : "5";
    for (const char* completion :
         {"", "\xff\xfe", "$", "\\boxed", "#### ", "The answer is ", "\\boxed{\xc3", "Final Answer: "}) {
      EXPECT_FALSE(task.grade(completion, gold).empty()) << task.name;
    }
  }
}

TEST(Tasks, GradeLongRunsOfOneCharacter) {
  for (const Task& task : tasks()) {
    if (!task.only_type.empty()) continue;  // graded as the whole task is
    const std::string gold = task.gold_field == "solution" ? "\\boxed{5}" : "5";
    for (const char* start : {"", "The answer is ", "#### ", "Final Answer: The final answer is ", "\\boxed{", "$"}) {
      for (char c : {'7', '$', '{', ' ', '.', 'A'})
        EXPECT_FALSE(task.grade(start + std::string(100'000, c), gold).empty()) << task.name;
    }
  }
}

TEST(MathGold, WithoutABoxIsABadFile) {
  EXPECT_THAT(problem_of([] { find_task("math_sft").grade("\\boxed{5}", "5"); }).what, HasSubstr("no answer"));
  EXPECT_THAT(problem_of([] { find_task("math_sft").grade("no box either", "5"); }).what, HasSubstr("no answer"));
}

TEST(MathSft, GradesTheLastBoxOfTheCompletion) {
  const Task& task = find_task("math_sft");
  EXPECT_EQ(task.grade("first \\boxed{1}, so $\\boxed{\\dfrac12}$", "is $\\boxed{\\frac{1}{2}}$.").at(0).score, 1);
  EXPECT_EQ(task.grade("\\boxed 1$ then \\boxed{2}", "\\boxed{2}").at(0).score, 1);
  EXPECT_EQ(task.grade("1/2", "\\boxed{1/2}").at(0).extracted, "[invalid]");
  EXPECT_EQ(task.grade("\\boxed{1", "\\boxed{1}").at(0).score, 0);
}

TEST(WordProblems, CompareAsNumbers) {
  const Task& task = find_task("gsm_hard");
  EXPECT_EQ(task.grade("The answer is 3,244,047.1.", "3244047.0999999996").at(0).score, 1);
  EXPECT_EQ(task.grade("The answer is -9867630.", "-9867630.0").at(0).score, 1);
  EXPECT_EQ(task.grade("The answer is 9867631.", "9867630.0").at(0).score, 0);
  EXPECT_EQ(task.grade("no number", "0").at(1).score, 0);
}

TEST(TheoremQa, ComparesByTheGoldsType) {
  const Task& task = find_task("theoremqa");
  const auto score = [&](const char* completion, const char* gold) { return task.grade(completion, gold).at(0).score; };
  EXPECT_EQ(score("The answer is 1.40.", "1.42"), 1);
  EXPECT_EQ(score("The answer is 1.30.", "1.42"), 0);
  EXPECT_EQ(score("The answer is 11,760.", "11760"), 1);
  EXPECT_EQ(score("The answer is [4, 1, 2, 0]", "[4,1,2,0]"), 1);
  EXPECT_EQ(score("The answer is [4, 1, 2]", "[4,1,2,0]"), 0);
  EXPECT_EQ(score("the answer is Yes.", "true"), 1);
  EXPECT_EQ(score("The answer is false", "true"), 0);
  EXPECT_EQ(score("The answer is (C).", "(c)"), 1);
  EXPECT_EQ(score("1.42", "1.42"), 0);
}

TEST(Choices, AreReadWhereTheyAreStated) {
  const Task& task = find_task("gaokao_mathqa");
  const auto letters = [&](const char* completion) { return task.grade(completion, "D").at(0).extracted; };
  EXPECT_EQ(letters("A is wrong, so the answer is (D)."), "D");
  EXPECT_EQ(letters("答案是 B"), "B");
  EXPECT_EQ(letters(" C. because"), "C");
  EXPECT_EQ(letters("故选ACD"), "ACD");
  EXPECT_EQ(letters("A long text without an option"), "A");
  EXPECT_EQ(letters("An apple"), "[invalid]");
}

TEST(CutAtStops, CutsInTheOrderOfTheStops) {
  EXPECT_EQ(cut_at_stops("a Q: b </s> c", {"Q:", "</s>"}), "a ");
  EXPECT_EQ(cut_at_stops("a </s> Q: b", {"Q:", "</s>"}), "a ");
  EXPECT_EQ(cut_at_stops(" a\n", {"Q:", ""}), " a\n");
}

}  // namespace
}  // namespace bt
