#include "bt/text/regrade.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"

namespace bt {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Regrade : ::testing::Test {
  fs::path folder = fs::temp_directory_path() / str("bt_regrade_", getpid());
  std::string input = (folder / "in.jsonl").string(), output = (folder / "out.jsonl").string();
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
};

TEST_F(Regrade, AddsGradesAndKeepsOrderAndKeys) {
  write_file_atomically(input,
                        "{\"id\":7,\"completion\":\" 5+4 = 9. The answer is 9.\",\"gold\":\"so 9\\n#### 9\"}\n\n"
                        "{\"completion\":\"The answer is 9\",\"gold\":\"#### 9\"}\n");
  const RegradeSummary summary = regrade_file(find_task("gsm8k_cot"), input, output);
  EXPECT_EQ(
      read_file(output),
      "{\"id\":7,\"completion\":\" 5+4 = 9. The answer is 9.\",\"gold\":\"so 9\\n#### 9\",\"graded\":{\"strict-match\":"
      "{\"extracted\":\"9\",\"score\":1},\"flexible-extract\":{\"extracted\":\"9.\",\"score\":1}}}\n"
      "{\"completion\":\"The answer is 9\",\"gold\":\"#### 9\",\"graded\":{\"strict-match\":"
      "{\"extracted\":\"[invalid]\",\"score\":0},\"flexible-extract\":{\"extracted\":\"9\",\"score\":1}}}\n");
  EXPECT_EQ(summary.completions, 2);
  ASSERT_EQ(summary.filters.size(), 2u);
  EXPECT_EQ(summary.filters[0].right, 1);
  EXPECT_EQ(summary.filters[1].right, 2);
  EXPECT_THAT(regrade_text(find_task("gsm8k_cot"), summary), HasSubstr("strict-match      50.00 %"));
}

TEST_F(Regrade, TakesNumbersAsGold) {
  write_file_atomically(input, "{\"completion\":\"The answer is 145. \",\"gold\":145.0}\n");
  EXPECT_EQ(regrade_file(find_task("svamp"), input, output).filters[0].right, 1);
}

TEST_F(Regrade, MarksWhatNeedsComputerAlgebra) {
  write_file_atomically(input,
                        "{\"completion\":\"Final Answer: The final answer is $(x+1)^2$. I hope it is correct.\","
                        "\"gold\":\"$\\\\boxed{x^2+2x+1}$\"}\n");
  EXPECT_EQ(regrade_file(find_task("minerva_math"), input, output).filters[0].undecided, 1);
  EXPECT_THAT(read_file(output), HasSubstr("\"undecided\":true"));
}

TEST_F(Regrade, NamesTheObjectThatCannotBeGradedAndWritesNothing) {
  write_file_atomically(input,
                        "{\"completion\":\"\",\"gold\":\"\\\\boxed{1}\"}\n{\"completion\":\"\",\"gold\":\"no box\"}\n");
  try {
    regrade_file(find_task("hendrycks_math"), input, output);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.problem().where, HasSubstr("object 2"));
  }
  EXPECT_FALSE(fs::exists(output));
}

TEST_F(Regrade, RefusesLinesWithoutACompletion) {
  write_file_atomically(input, "{\"gold\":\"#### 1\"}\n");
  EXPECT_THROW(regrade_file(find_task("gsm8k"), input, output), Error);
  write_file_atomically(input, "[1]\n");
  EXPECT_THROW(regrade_file(find_task("gsm8k"), input, output), Error);
}

TEST_F(Regrade, AnEmptyFileGivesAnEmptyFile) {
  write_file_atomically(input, "");
  EXPECT_EQ(regrade_file(find_task("gsm8k"), input, output).completions, 0);
  EXPECT_EQ(read_file(output), "");
}

}  // namespace
}  // namespace bt
