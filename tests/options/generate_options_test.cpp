#include "bt/options/generate_options.h"

#include <gtest/gtest.h>

#include "bt/core/error.h"

namespace bt {
namespace {

ExitCode code_of(const GenerateOptions& options) {
  try {
    options.validate();
    check_files(options);
    return ExitCode::done;
  } catch (const Error& error) {
    return error.code();
  }
}

GenerateOptions with_prompt() {
  GenerateOptions options;
  options.place.model = BT_SOURCE_DIR "/no_such_model";
  options.prompt = "Once";
  return options;
}

TEST(GenerateOptions, InteractivePromptsAreASourceThatWritesTextOnly) {
  GenerateOptions options;
  options.place.model = "/nowhere";
  options.interactive = true;
  EXPECT_NO_THROW(options.validate());
  options.json = true;
  EXPECT_EQ(code_of(options), ExitCode::usage);
  options.json = false;
  options.prompt = "Once";
  EXPECT_EQ(code_of(options), ExitCode::usage);
}

TEST(GenerateOptions, NeedOneSourceOfPrompts) {
  GenerateOptions options = with_prompt();
  options.input = "lines.jsonl";
  EXPECT_EQ(code_of(options), ExitCode::usage);
  options.input.clear();
  options.prompt.clear();
  EXPECT_EQ(code_of(options), ExitCode::usage);
}

TEST(GenerateOptions, NameAnUnknownDeviceBeforeFilesAreRead) {
  GenerateOptions options = with_prompt();
  EXPECT_EQ(code_of(options), ExitCode::bad_file);
  options.place.device = "gpu";
  EXPECT_EQ(code_of(options), ExitCode::usage);
}

}  // namespace
}  // namespace bt
