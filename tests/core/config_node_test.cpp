#include "bt/core/config_node.h"

#include <gtest/gtest.h>

#include <string>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {
namespace {

Problem problem_of(std::string_view text) {
  try {
    parse_yaml(text, "run.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.problem();
  }
  ADD_FAILURE() << "accepted: " << text.substr(0, 80);
  return {};
}

Problem override_problem(ConfigNode root, std::string_view assignment) {
  try {
    apply_override(root, assignment);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.problem();
  }
  ADD_FAILURE() << "accepted: " << assignment;
  return {};
}

const ConfigNode& at(const ConfigNode& node, std::string_view key) {
  const ConfigNode* found = node.find(key);
  if (found == nullptr) throw std::out_of_range(std::string(key));
  return *found;
}

TEST(ParseYaml, RemembersWhereEveryValueStood) {
  const ConfigNode root = parse_yaml("# comment\nrun:\n  name: a b\n  list: [1, 'x']\nempty:\n", "run.yaml");
  const ConfigNode& run = at(root, "run");
  EXPECT_EQ(run.entries[0].key_mark.text(), "run.yaml:3:3");
  EXPECT_EQ(at(run, "name").mark.text(), "run.yaml:3:9");
  EXPECT_EQ(at(run, "name").scalar, "a b");
  EXPECT_FALSE(at(run, "name").quoted);
  EXPECT_EQ(at(run, "list").items[1].mark.text(), "run.yaml:4:13");
  EXPECT_TRUE(at(run, "list").items[1].quoted);
  EXPECT_TRUE(at(root, "empty").is_null());
  EXPECT_EQ(root.find("absent"), nullptr);
}

TEST(ParseYaml, QuotedNullIsAString) {
  const ConfigNode root = parse_yaml("a: 'null'\nb: ~\nc: \"\"\nd: null\ne: |\n  text\n", "");
  EXPECT_EQ(at(root, "a").scalar, "null");
  EXPECT_TRUE(at(root, "a").quoted);
  EXPECT_TRUE(at(root, "b").is_null());
  EXPECT_FALSE(at(root, "c").is_null());
  EXPECT_TRUE(at(root, "d").is_null());
  EXPECT_EQ(at(root, "e").scalar, "text\n");
}

TEST(ParseYaml, EmptyDocumentsAreNull) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "\xEF\xBB\xBF"}) {
    EXPECT_TRUE(parse_yaml(text, "").is_null()) << text;
  }
}

TEST(ParseYaml, EndOfTheTextChangesNoValue) {
  for (const char* text : {"a: x", "a: x\n", "a: 'x'", "a: x\n...\n", "a:\n  x\n\n", "{a: x}"}) {
    EXPECT_EQ(at(parse_yaml(text, ""), "a").scalar, "x") << text;
  }
  EXPECT_EQ(at(parse_yaml("a: |+\n  x\n\n", ""), "a").scalar, "x\n\n");
  EXPECT_EQ(at(parse_yaml("a: |-\n  x\n\n", ""), "a").scalar, "x");
}

TEST(ParseYaml, WindowsLineEndsAndByteOrderMarkAreAccepted) {
  const ConfigNode root = parse_yaml(
      "\xEF\xBB\xBF"
      "a: 1\r\nb:\r\n  c: x\r\n",
      "f");
  EXPECT_EQ(at(root, "a").scalar, "1");
  EXPECT_EQ(at(at(root, "b"), "c").scalar, "x");
  EXPECT_EQ(at(at(root, "b"), "c").mark.text(), "f:3:6");
}

TEST(ParseYaml, RefusesWithLineAndColumn) {
  EXPECT_EQ(problem_of("a: 1\nb: 2\na: 3\n").where, "run.yaml:3:1");
  EXPECT_EQ(problem_of("a:\n  b: &x 1\n").where, "run.yaml:2:6");
  EXPECT_EQ(problem_of("a: 1\nb: *x\n").where, "run.yaml:2:4");
  EXPECT_EQ(problem_of("a: !!int 1\n").where, "run.yaml:1:4");
  EXPECT_EQ(problem_of("a: !mine [1]\n").where, "run.yaml:1:4");
  EXPECT_EQ(problem_of("a: 1\n---\nb: 2\n").where.substr(0, 10), "run.yaml:2");
  EXPECT_EQ(problem_of("? [a]\n: 1\n").where, "run.yaml:1:3");
  EXPECT_EQ(problem_of("a: 1\n: 2\n").where, "run.yaml:2:1");
  EXPECT_EQ(problem_of("a: \"x\xff\"\n").where, "run.yaml:1:6");
  EXPECT_EQ(problem_of(std::string("a: x\nb: \0", 9)).where, "run.yaml:2:4");
  EXPECT_EQ(problem_of("a: \x04\n").where, "run.yaml:1:4");
}

TEST(ParseYaml, SyntaxErrorsHaveAPlace) {
  for (const char* text : {"a: [1, 2\n", "a: {b: 1\n", "a: 'x\n", "a: \"x", "a:\n\tb: 1\n", "a: @x\n", "a: `x\n",
                           "- a\nb: 1\n", "a: b: c\n", "a: 1\n b: 2\n", "a: \"\\q\"\n", "]", "}", "a: ]\n"}) {
    const Problem problem = problem_of(text);
    EXPECT_EQ(problem.where.find("run.yaml:"), 0u) << text << " -> " << problem.where << " " << problem.what;
  }
}

TEST(ParseYaml, DepthIsLimitedWithoutDeepRecursion) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_yaml(nested(32), ""));
  EXPECT_NE(problem_of(nested(33)).what.find("32"), std::string::npos);
  problem_of(std::string(100000, '['));
  problem_of(std::string(100000, '{'));
  std::string mixed, dashes, keys, questions;
  for (int i = 0; i < 50000; ++i) mixed += "[{a: ", dashes += "- ", questions += "? ";
  for (int i = 0; i < 700; ++i) keys += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  problem_of(mixed);
  problem_of(dashes);
  problem_of(questions);
  problem_of(keys);
}

TEST(ParseYaml, SizeIsLimited) {
  const std::string comment(size_t{1} << 20, '#');
  EXPECT_NO_THROW(parse_yaml(comment, ""));
  problem_of(comment + "#");
}

TEST(ParseYaml, ManyKeysAreNotQuadratic) {
  std::string text;
  for (int i = 0; i < 60000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(parse_yaml(text, "").entries.size(), 60000u);
}

TEST(ParseYamlFile, MissingFileIsAUsageError) {
  try {
    parse_yaml_file("no/such/run.yaml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_EQ(error.problem().where, "no/such/run.yaml");
  }
}

TEST(ApplyOverride, ReplacesAddsAndMakesMaps) {
  ConfigNode root = parse_yaml("train:\n  lr: 1\n", "run.yaml");
  apply_override(root, "train.lr=3e-4");
  apply_override(root, "--latent.gate.init=-4");
  apply_override(root, "data.files=[a.jsonl, 'b=c.jsonl']");
  apply_override(root, "run.note=x=y");
  apply_override(root, "train.empty=");
  EXPECT_EQ(at(at(root, "train"), "lr").scalar, "3e-4");
  EXPECT_EQ(at(at(at(root, "latent"), "gate"), "init").scalar, "-4");
  EXPECT_EQ(at(at(root, "data"), "files").items[1].scalar, "b=c.jsonl");
  EXPECT_EQ(at(at(root, "run"), "note").scalar, "x=y");
  EXPECT_TRUE(at(at(root, "train"), "empty").is_null());
  EXPECT_EQ(at(at(root, "train"), "lr").mark.text(), "command line: train.lr=3e-4");
  EXPECT_EQ(at(at(root, "train"), "lr").mark.line, 0);
}

TEST(ApplyOverride, FillsAnEmptyDocument) {
  ConfigNode root;
  apply_override(root, "a.b=1");
  EXPECT_EQ(at(at(root, "a"), "b").scalar, "1");
}

TEST(ApplyOverride, RefusesWhatIsNoAssignment) {
  const ConfigNode root = parse_yaml("a: 1\nl: [1]\n", "run.yaml");
  for (const char* text : {"", "--", "a", "--a", "=1", ".a=1", "a.=1", "a..b=1"}) override_problem(root, text);
  EXPECT_EQ(override_problem(root, "a.b=1").found, "\"1\" at run.yaml:1:4");
  override_problem(root, "l.0=1");
  EXPECT_EQ(override_problem(root, "x=[1").where, "command line: x=[1");
}

}  // namespace
}  // namespace bt
