// Agreement with lm-evaluation-harness on tricky completions (fixtures: make_grading_fixtures.py).
#include <gtest/gtest.h>

#include <string>

#include "bt/core/strings.h"
#include "bt/text/json_lines.h"
#include "bt/text/tasks.h"

namespace bt {
namespace {

struct Agreement {
  int rows = 0, undecided = 0, right = 0;
};

// Every filter's score, and the extracted answer where the fixture has one, must be the harness's; undecided scores are
// counted instead.
Agreement check(const std::string& name) {
  const std::string path = str(BT_SOURCE_DIR, "/tests/text/fixtures/grading_", name, ".jsonl");
  const Task& task = find_task(name);
  Agreement agreement;
  for (const Json& row : read_json_lines(path)) {
    const std::string completion = row.at("completion", path).as_string(path),
                      gold = row.at("gold", path).as_string(path);
    const Json& expected = row.at("graded", path);
    const auto grades = task.grade(completion, gold);
    EXPECT_EQ(grades.size(), expected.as_object(path).size());
    for (const FilterGrade& grade : grades) {
      const Json& harness = expected.at(grade.filter, path);
      if (const Json* extracted = harness.find("extracted")) {
        EXPECT_EQ(grade.extracted, extracted->as_string(path)) << row.dump();
      }
      if (!grade.undecided) {
        EXPECT_EQ(grade.score, harness.at("score", path).as_int(path)) << row.dump();
      }
      agreement.undecided += grade.undecided;
      agreement.right += grade.score;
    }
    EXPECT_EQ(task.target(Json::object({{task.gold_field, gold}})), row.at("target", path).as_string(path))
        << row.dump();
    ++agreement.rows;
  }
  return agreement;
}

TEST(GradingFixtures, Gsm8kCot) { EXPECT_GT(check("gsm8k_cot").right, 10); }
TEST(GradingFixtures, Gsm8k) { EXPECT_GT(check("gsm8k").right, 10); }
TEST(GradingFixtures, HendrycksMath) { EXPECT_GT(check("hendrycks_math").right, 50); }

TEST(GradingFixtures, MinervaMath) {
  const Agreement agreement = check("minerva_math");
  EXPECT_GT(agreement.right, 50);
  EXPECT_LT(agreement.undecided, agreement.rows * 3 / 4);
}

TEST(GradingFixtures, OlderMinervaMath) { EXPECT_GT(check("minerva_math_v3_0").right, 50); }

}  // namespace
}  // namespace bt
