// What all programs make of a command line and of standard output, before any model is opened.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CommandLineTest : public testing::EvalTest {
 protected:
  // The exit code; standard output goes to `out`.
  int run(const std::string& arguments, const std::string& out = "out.txt") const {
    const int status =
        std::system(str("cd '", path(""), "' && " BT_BINARY_DIR "/bin/", arguments, " >", out, " 2>err.txt").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string err() const { return read_file(path("err.txt")); }
};

const std::string kRun = "bt-eval run --model m --tasks math_sft --data d --out o ";
const std::string kGenerate = "bt-generate --model m --prompt a ";

TEST_F(CommandLineTest, NamesTheWordThatIsWrongAndTheNearest) {
  const auto expect = [&](const std::string& command, const std::string& wrong, const std::string& nearest) {
    EXPECT_EQ(run(command), 2) << command;
    EXPECT_THAT(err(), AllOf(HasSubstr("found: " + wrong + "\n"), HasSubstr("expected: " + nearest + "\n"))) << command;
  };
  expect("bt-eval rnu", "rnu", "run");
  expect("bt-eval run --modle x", "--modle", "--model");
  expect("bt-eval run --modle=x --tasks t", "--modle", "--model");
  expect("bt-generate --prmopt a", "--prmopt", "--prompt");
  expect("bt-data make --problmes 3 --out x", "--problmes", "--problems");
  expect("bt-train --dry-rnu run.yaml", "--dry-rnu", "--dry-run");
  EXPECT_EQ(run("bt-eval tasks and more"), 2);
  EXPECT_THAT(err(), AllOf(HasSubstr("found: and\n"), HasSubstr("see bt-eval tasks --help")));
}

TEST_F(CommandLineTest, AnEmptyValueIsNoOptionLeftOut) {
  const auto expect = [&](const std::string& command, const std::string& option) {
    EXPECT_EQ(run(command), 2) << command;
    EXPECT_THAT(err(), HasSubstr(option + ": the value is empty")) << command;
  };
  expect(kRun + "--latent ''", "--latent");
  expect(kRun + "--latent= --limit 3", "--latent");
  expect(kRun + "--prompt-template ''", "--prompt-template");
  expect(kRun + "--plugins ''", "--plugins");
  expect("bt-eval run --model '' --tasks math_sft --data d --out o", "--model");
  expect("bt-generate --model m --input ''", "--input");
  expect(kGenerate + "--output ''", "--output");
  expect("bt-eval grade --task math_sft --input '' --output o", "--input");
  expect("bt-train run.yaml --resume ''", "--resume");
}

TEST_F(CommandLineTest, NumbersAreFiniteAndInTheirRange) {
  const auto expect = [&](const std::string& command, const std::string& words) {
    EXPECT_EQ(run(command), 2) << command;
    EXPECT_THAT(err(), HasSubstr(words)) << command;
  };
  for (const char* value : {"nan", "inf", "-inf", "x", "1e999"}) {
    expect(kGenerate + "--temperature " + value, "is no finite number");
    expect(kGenerate + "--top-p " + value, "is no finite number");
    expect(str("bt-eval probe --model m --input i --ridge ", value), "is no finite number");
    expect(str("bt-eval compare a b --confidence ", value), "is no finite number");
  }
  expect(kGenerate + "--top-p 1.5", "must be from 0 to 1, not 1.5");
  expect(kGenerate + "--seed -1", "must be at least 0, not -1");
  expect(kGenerate + "--stop-token 5,-1", "must be at least 0, not -1");
  expect(kRun + "--limit 0.5", "is no whole number");
  expect("bt-eval compare a b --resamples 0", "must be from 1 to 10000000, not 0");
  expect("bt-data make --problems 0 --out x", "must be at least 1, not 0");
  EXPECT_EQ(run(kRun + "--limit 1e1"), 3) << "a whole number however written; the model is missing";
}

TEST_F(CommandLineTest, APromptTemplateNeedsAField) {
  EXPECT_EQ(run(kRun + "--prompt-template hello"), 2);
  EXPECT_THAT(err(), HasSubstr("names no field"));
  EXPECT_EQ(run("bt-eval prompts --task math_sft --data d --output o --prompt-template '{{x}}'"), 2);
  EXPECT_EQ(run(kRun + "--prompt-template '{problem}'"), 3) << "the model is missing";
}

TEST_F(CommandLineTest, AFullStandardOutputIsExitSix) {
  for (const char* command : {"bt-eval --help", "bt-eval run --help", "bt-eval tasks", "bt-train --help",
                              "bt-data --version", "bt-data make --problems 2 --out -"}) {
    EXPECT_EQ(run(command, "/dev/full"), 6) << command;
    EXPECT_THAT(err(), HasSubstr("cannot write to standard output")) << command;
    EXPECT_EQ(run(command), 0) << command;
  }
}

TEST_F(CommandLineTest, ADashIsStandardOutput) {
  ASSERT_EQ(run("bt-data make --problems 3 --out - --log-level off", "made.jsonl"), 0) << err();
  EXPECT_EQ(read_json_lines(path("made.jsonl")).size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(path("-")));
}

TEST_F(CommandLineTest, AFilterThatHoldsNoBenchIsAMistake) {
  EXPECT_EQ(run("bt-bench --filter nothing_like_it --json bench.json"), 2);
  EXPECT_THAT(err(), HasSubstr("nothing_like_it"));
  EXPECT_EQ(run("bt-bench --filter nothing_like_it --json nowhere/bench.json"), 6);
}

}  // namespace
}  // namespace bt
