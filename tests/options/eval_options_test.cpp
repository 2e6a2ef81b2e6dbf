#include "bt/options/eval_options.h"

#include <gmock/gmock.h>

#include <string>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

template <class Body>
std::string message_of(Body body, ExitCode code) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST(EvalRunOptions, RefuseUnknownAndRepeatedTasks) {
  EvalRunOptions options;
  options.tasks = {"gsm8k_sft", "svamp"};
  EXPECT_EQ(message_of([&] { options.validate(); }, ExitCode::usage), "");
  options.tasks = {"gsm8k_stf"};
  EXPECT_THAT(message_of([&] { options.validate(); }, ExitCode::usage), HasSubstr("gsm8k_sft"));
  options.tasks = {"svamp", "svamp"};
  EXPECT_THAT(message_of([&] { options.validate(); }, ExitCode::usage), HasSubstr("named twice"));
}

TEST(EvalRunOptions, RefuseUnknownDevices) {
  EvalRunOptions options;
  for (const char* good : {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
    options.place.device = good;
    EXPECT_EQ(message_of([&] { options.validate(); }, ExitCode::usage), "") << good;
  }
  for (const char* bad : {"gpu", "cuda:", "cuda:x", "cuda:1234", ""}) {
    options.place.device = bad;
    EXPECT_THAT(message_of([&] { options.validate(); }, ExitCode::usage), HasSubstr("device")) << bad;
  }
}

TEST(PerplexityOptions, RefuseAStrideThatLeavesTokensWithoutContext) {
  PerplexityOptions options;
  options.context = 64;
  options.stride = 63;
  EXPECT_EQ(message_of([&] { options.validate(); }, ExitCode::usage), "");
  options.stride = 64;
  EXPECT_THAT(message_of([&] { options.validate(); }, ExitCode::usage), HasSubstr("1 to 63"));
}

TEST(CheckFiles, NameTheMissingModelAndData) {
  EvalRunOptions options;
  options.place.model = "/nowhere";
  EXPECT_THAT(message_of([&] { check_files(options); }, ExitCode::bad_file), HasSubstr("/nowhere/config.json"));
  ScoreOptions score;
  score.place.model = "/nowhere";
  EXPECT_THAT(message_of([&] { check_files(score); }, ExitCode::bad_file), HasSubstr("/nowhere/config.json"));
}

TEST(EvalOptions, DescribeEveryField) {
  EvalRunOptions run;
  ScoreOptions score;
  for (const char* key : {"model", "latent", "tasks", "data", "out", "limit", "batch_size", "seed", "max_new_tokens",
                          "prompt_template", "device", "dtype", "threads"}) {
    EXPECT_THAT(describe_options(run), HasSubstr(key));
  }
  EXPECT_THAT(describe_options(score), HasSubstr("input"));
}

}  // namespace
}  // namespace bt
