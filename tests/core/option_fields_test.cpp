#include "bt/core/option_fields.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

struct ScheduleOptions final : Options {
  std::string kind = "cosine";
  int64_t warmup = 5;
  void fields(OptionFields& f) override {
    f.field("kind", kind, {.help = "shape after the warm-up", .choices = {"cosine", "constant"}});
    f.field("warmup", warmup, {.help = "steps of linear warm-up", .min = 0, .max = 1000});
  }
};

struct TrainOptions final : Options {
  int64_t steps = 10;
  double lr = 0.1;
  bool compile = false;
  std::vector<double> betas = {0.9, 0.95};
  std::vector<int64_t> widths;
  std::optional<int64_t> limit;
  std::optional<double> clip = 1.0;
  ScheduleOptions schedule;
  void fields(OptionFields& f) override {
    f.field("steps", steps, {.help = "optimiser steps", .min = 1});
    f.field("lr", lr, {.help = "peak rate", .min = 0});
    f.field("compile", compile, {});
    f.field("betas", betas, {.help = "averaging factors", .min = 0, .max = 1});
    f.field("widths", widths, {});
    f.field("limit", limit, {.min = 0});
    f.field("clip", clip, {.max = 100});
    f.group("schedule", schedule, "learning rate over time");
  }
  void validate() const override {
    if (steps <= schedule.warmup) fail_usage({.what = "nothing but warm-up", .where = "train.schedule.warmup"});
  }
};

struct PauseOptions final : Options {
  int64_t count = 4;
  void fields(OptionFields& f) override { f.field("count", count, {.help = "pause tokens", .min = 1}); }
};

struct SteerOptions final : Options {
  double scale = 1.5;
  ScheduleOptions schedule;
  void fields(OptionFields& f) override {
    f.field("scale", scale, {.required = true});
    f.group("schedule", schedule, "over time");
  }
};

std::unique_ptr<Options> make_method(std::string_view name) {
  if (name == "pause") return std::make_unique<PauseOptions>();
  if (name == "steer") return std::make_unique<SteerOptions>();
  return nullptr;
}

struct RunOptions final : Options {
  std::string name = "run";
  std::string out;
  std::vector<std::string> files;
  TrainOptions train;
  std::string method;
  std::unique_ptr<Options> latent;
  void fields(OptionFields& f) override {
    f.field("name", name, {.help = "label"});
    f.field("out", out, {.help = "folder", .required = true});
    f.field("files", files, {.help = "inputs", .choices = {"a", "b c", "d"}});
    f.group("train", train, "optimisation");
    f.variant("latent", "method", method, latent, &make_method, {"pause", "steer"}, "the method");
  }
};

RunOptions read(std::string_view yaml) {
  RunOptions options;
  read_options(parse_yaml(yaml, "run.yaml"), options);
  return options;
}

Problem problem_of(std::string_view yaml) {
  try {
    read(yaml);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.problem();
  }
  ADD_FAILURE() << "accepted: " << yaml;
  return {};
}

// The problem of `text` as a value of the given field of train.
Problem problem_of_value(const std::string& key, const std::string& text) {
  return problem_of("out: x\ntrain:\n  " + key + ": " + text + "\n");
}

int64_t steps_of(const std::string& text) { return read("out: x\ntrain: {steps: " + text + "}\n").train.steps; }

TEST(ReadOptions, FillsEveryTypeAndKeepsDefaults) {
  const RunOptions options = read(
      "out: 010\nfiles: ['b c', a]\n"
      "train:\n  lr: 3e-4\n  compile: true\n  betas: [0, 1]\n  widths: [-3, 1e3]\n  limit: 7\n  clip: null\n"
      "  schedule: {kind: constant}\n");
  EXPECT_EQ(options.name, "run");
  EXPECT_EQ(options.out, "010");
  EXPECT_EQ(options.files, (std::vector<std::string>{"b c", "a"}));
  EXPECT_EQ(options.train.steps, 10);
  EXPECT_EQ(options.train.lr, 3e-4);
  EXPECT_TRUE(options.train.compile);
  EXPECT_EQ(options.train.betas, (std::vector<double>{0, 1}));
  EXPECT_EQ(options.train.widths, (std::vector<int64_t>{-3, 1000}));
  EXPECT_EQ(options.train.limit, 7);
  EXPECT_EQ(options.train.clip, std::nullopt);
  EXPECT_EQ(options.train.schedule.kind, "constant");
  EXPECT_EQ(options.train.schedule.warmup, 5);
  EXPECT_EQ(options.latent, nullptr);
}

TEST(ReadOptions, EmptyDocumentMeansDefaults) {
  TrainOptions options;
  read_options(ConfigNode(), options);
  EXPECT_EQ(options.steps, 10);
  EXPECT_NO_THROW(read("out: x\ntrain:\n"));
}

TEST(ReadOptions, IntegersMayBeWrittenInPowersOfTen) {
  EXPECT_EQ(steps_of("3e4"), 30000);
  EXPECT_EQ(steps_of("1.5e1"), 15);
  EXPECT_EQ(steps_of("+12"), 12);
  EXPECT_EQ(steps_of("9223372036854775807"), INT64_MAX);
  for (const char* text : {"1_000", "010", "0x10", "1.5", "1e-1", "1.8e19", "9223372036854775808", "1e400", "yes",
                           "7 8", "'7'", "[7]", "{a: 7}", ".inf", "nan", "1e", "--7", "1e99999999999"}) {
    const Problem problem = problem_of_value("steps", text);
    EXPECT_EQ(problem.where, "run.yaml:3:10: train.steps") << text;
    EXPECT_EQ(problem.expected, "integer >= 1") << text;
  }
  EXPECT_EQ(problem_of_value("steps", "'7'").next_step, "remove the quotes");
  for (const char* text : {"", "~", "null"}) {
    EXPECT_EQ(problem_of_value("steps", text).where, "run.yaml:3:3: train.steps") << text;
  }
}

TEST(ReadOptions, NumbersAreFinite) {
  EXPECT_EQ(read("out: x\ntrain: {lr: 1.8e19}").train.lr, 1.8e19);
  EXPECT_EQ(read("out: x\ntrain: {lr: -0}").train.lr, 0);
  EXPECT_EQ(read("out: x\ntrain: {lr: .5}").train.lr, 0.5);
  for (const char* text : {".inf", "inf", "nan", ".nan", "1e999", "0x1p3", "1,5", "01.5", "true", "-1e-9"}) {
    EXPECT_EQ(problem_of_value("lr", text).expected, "number >= 0") << text;
  }
}

TEST(ReadOptions, BooleansAreTrueOrFalseOnly) {
  EXPECT_FALSE(read("out: x\ntrain: {compile: false}").train.compile);
  for (const char* text : {"yes", "on", "True", "1", "'true'", "null"}) problem_of_value("compile", text);
}

TEST(ReadOptions, ListsAreCheckedItemByItem) {
  EXPECT_EQ(problem_of_value("betas", "[0.9, 1.1]").where, "run.yaml:3:16: train.betas[1]");
  EXPECT_EQ(problem_of_value("betas", "0.9").expected, "list of numbers 0 to 1");
  EXPECT_EQ(problem_of_value("betas", "null").found, "null");
  EXPECT_TRUE(read("out: x\ntrain: {betas: []}").train.betas.empty());
  EXPECT_EQ(problem_of("out: x\nfiles: [a, bc]\n").next_step, "did you mean \"b c\"?");
}

TEST(ReadOptions, StringsMustBeScalars) {
  EXPECT_EQ(read("out: 'true'").out, "true");
  EXPECT_EQ(read("out: true").out, "true");
  EXPECT_EQ(problem_of("out: {q}").next_step, "put the text in quotes");
  problem_of("out: null");
  problem_of("out: [x]");
}

TEST(ReadOptions, UnknownKeysNameTheNearestKey) {
  const Problem problem = problem_of("out: x\ntrain:\n  lr: 1\n  stesp: 3\n");
  EXPECT_EQ(problem.where, "run.yaml:4:3: train.stesp");
  EXPECT_EQ(problem.next_step, "did you mean \"steps\"?");
  EXPECT_NE(problem.expected.find("betas"), std::string::npos);
  EXPECT_EQ(problem_of("otu: x\n").next_step, "did you mean \"out\"?") << "comes before the missing key";
  EXPECT_EQ(problem_of("out: x\nzzzzzzzz: 1\n").next_step, "");
}

TEST(ReadOptions, MissingRequiredKeysAreNamed) {
  EXPECT_EQ(problem_of("name: x\n").where, "run.yaml:1:1: out");
  EXPECT_EQ(problem_of("").where, "run.yaml:1:1: out");
  EXPECT_EQ(problem_of("out: x\nlatent: {method: steer}\n").where, "run.yaml:2:9: latent.scale");
}

TEST(ReadOptions, ChoicesAndRangesAreChecked) {
  const Problem problem = problem_of("out: x\ntrain: {schedule: {kind: cosin}}\n");
  EXPECT_EQ(problem.where, "run.yaml:2:26: train.schedule.kind");
  EXPECT_EQ(problem.expected, "cosine | constant");
  EXPECT_EQ(problem.next_step, "did you mean \"cosine\"?");
  EXPECT_EQ(problem_of("out: x\ntrain: {schedule: {warmup: 1001}}\n").expected, "integer 0 to 1000");
  EXPECT_EQ(problem_of_value("limit", "-1").expected, "integer >= 0");
}

TEST(ReadOptions, GroupsMustBeMaps) {
  EXPECT_EQ(problem_of("out: x\ntrain: 3\n").expected, "a map");
  EXPECT_EQ(problem_of("out: x\ntrain: []\n").where, "run.yaml:2:8: train");
  problem_of("- 1\n");
}

TEST(ReadOptions, ValidationErrorsGetAPlace) {
  EXPECT_EQ(problem_of("out: x\ntrain:\n  schedule:\n    warmup: 10\n").where, "run.yaml:4:13: train.schedule.warmup");
  EXPECT_EQ(problem_of("out: x\ntrain:\n  steps: 3\n").where, "run.yaml:3:3: train.schedule.warmup");
}

TEST(ReadOptions, WrongKeysComeBeforeMissingOnesAndThoseBeforeValidation) {
  const char* wrong_train = "train: {steps: 3}\n";
  EXPECT_EQ(problem_of(str(wrong_train, "latent: {method: pause, cuont: 1}\n")).where, "run.yaml:2:25: latent.cuont");
  EXPECT_EQ(problem_of(wrong_train).where, "run.yaml:1:1: out");
  EXPECT_EQ(problem_of(str("out: x\n", wrong_train)).where, "run.yaml:2:8: train.schedule.warmup");
}

TEST(ReadOptions, ErrorsInOverridesNameTheCommandLine) {
  ConfigNode root = parse_yaml("out: x\n", "run.yaml");
  apply_override(root, "train.lr=fast");
  RunOptions options;
  try {
    read_options(root, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.problem().where, "command line: train.lr=fast: train.lr");
    EXPECT_EQ(error.problem().found, "\"fast\"");
  }
}

TEST(ReadOptions, VariantsReadTheOptionsTheySelect) {
  const RunOptions options = read("out: x\nlatent:\n  scale: 2\n  method: steer\n  schedule: {warmup: 1}\n");
  EXPECT_EQ(options.method, "steer");
  const auto& steer = dynamic_cast<const SteerOptions&>(*options.latent);
  EXPECT_EQ(steer.scale, 2);
  EXPECT_EQ(steer.schedule.warmup, 1);
  EXPECT_EQ(read("out: x\nlatent: null\n").latent, nullptr);
}

TEST(ReadOptions, VariantErrorsHaveAPlace) {
  EXPECT_EQ(problem_of("out: x\nlatent: {}\n").where, "run.yaml:2:9: latent.method");
  const Problem unknown = problem_of("out: x\nlatent: {method: pauze}\n");
  EXPECT_EQ(unknown.where, "run.yaml:2:18: latent.method");
  EXPECT_EQ(unknown.next_step, "did you mean \"pause\"?");
  const Problem foreign = problem_of("out: x\nlatent: {method: pause, scale: 1}\n");
  EXPECT_EQ(foreign.where, "run.yaml:2:25: latent.scale");
  EXPECT_EQ(foreign.expected, "one of method, count");
  problem_of("out: x\nlatent: pause\n");
  const Problem selector = problem_of("out: x\nlatent: {metod: pause}\n");
  EXPECT_EQ(selector.where, "run.yaml:2:10: latent.metod");
  EXPECT_EQ(selector.next_step, "did you mean \"method\"?");
}

TEST(WriteOptions, ReadsBackEqual) {
  RunOptions options = read(
      "out: \"a: #b\\n\\\"\\\\ é\\t\"\nname: 'null'\nfiles: ['b c']\n"
      "train: {lr: 0.1, clip: null, limit: 3, betas: [1e-30, 0.3333333333333333], widths: [-9223372036854775808]}\n"
      "latent: {method: steer, scale: -1e300}\n");
  const std::string text = write_options_yaml(options);
  RunOptions again = read(text);
  EXPECT_EQ(write_options_yaml(again), text);
  EXPECT_EQ(again.out, "a: #b\n\"\\ é\t");
  EXPECT_EQ(again.name, "null");
  EXPECT_EQ(again.train.betas, options.train.betas);
  EXPECT_EQ(again.train.widths[0], INT64_MIN);
  EXPECT_EQ(dynamic_cast<SteerOptions&>(*again.latent).scale, -1e300);
}

TEST(WriteOptions, EveryStringSurvives) {
  for (const char* text :
       {"", " ", "true", "No", "~", "1e3", "- a", "a b", "# x", "a\r\n", "'", "\x7f", "a/b-c_d.e", "*x"}) {
    RunOptions options;
    options.out = text;
    EXPECT_EQ(read(write_options_yaml(options)).out, text);
  }
}

TEST(WriteOptions, KeepsOrderAndNesting) {
  SteerOptions options;
  EXPECT_EQ(write_options_yaml(options), "scale: 1.5\nschedule:\n  kind: cosine\n  warmup: 5\n");
  RunOptions run;
  run.out = "x";
  EXPECT_NE(write_options_yaml(run).find("\nlatent: null\n"), std::string::npos);
}

TEST(DescribeOptions, HasALinePerFieldWithAllThatIsKnown) {
  RunOptions options;
  const std::string text = describe_options(options);
  EXPECT_NE(text.find("  train.steps"), std::string::npos) << text;
  EXPECT_NE(text.find("integer >= 1, default 10"), std::string::npos);
  EXPECT_NE(text.find("cosine | constant, default cosine"), std::string::npos);
  EXPECT_NE(text.find("string, required"), std::string::npos);
  EXPECT_NE(text.find("pause | steer, required"), std::string::npos);
  EXPECT_NE(text.find("latent: with method: pause"), std::string::npos);
  EXPECT_NE(text.find("latent.schedule.warmup"), std::string::npos);
  EXPECT_NE(text.find("integer >= 0 or null, default null"), std::string::npos);
  EXPECT_NE(text.find("list of a | b c | d, default []"), std::string::npos);
  EXPECT_NE(text.find("list of numbers 0 to 1, default [0.9, 0.95]"), std::string::npos);
}

struct TwoMethods final : Options {
  struct First final : Options {
    int64_t shared = 1, own = 2;
    void fields(OptionFields& f) override {
      f.field("shared", shared, {.help = "in both"});
      f.field("own", own, {});
    }
  };
  struct Second final : Options {
    int64_t shared = 1;
    void fields(OptionFields& f) override { f.field("shared", shared, {.help = "in both"}); }
  };
  static std::unique_ptr<Options> make(std::string_view name) {
    if (name == "first") return std::make_unique<First>();
    return std::make_unique<Second>();
  }
  std::string name = "first";
  std::unique_ptr<Options> value;
  void fields(OptionFields& f) override { f.variant("m", "kind", name, value, &make, {"first", "second"}, "a choice"); }
};

TEST(DescribeOptions, WhatAllVariantsShareIsSaidOnce) {
  TwoMethods options;
  EXPECT_EQ(describe_options(options),
            "\nm: a choice\n"
            "  m.kind    first | second, default first  selects the keys of m\n"
            "\nm: with every kind\n"
            "  m.shared  integer, default 1             in both\n"
            "\nm: with kind: first\n"
            "  m.own     integer, default 2\n");
}

TEST(ReadOptions, ANamedVariantIsTheDefaultOfItsMap) {
  TwoMethods options;
  read_options(parse_yaml("m: {own: 7}", "f"), options);
  EXPECT_EQ(dynamic_cast<TwoMethods::First&>(*options.value).own, 7);
}

}  // namespace
}  // namespace bt
