#include "bt/core/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "bt/core/checked.h"

namespace bt {
namespace {

TEST(Error, MessageHoldsEveryPartThatIsGiven) {
  const Error error(ExitCode::usage, {.what = "key is missing",
                                      .where = "run.yaml:3:5",
                                      .expected = "a number",
                                      .found = "nothing",
                                      .next_step = "add it"});
  EXPECT_STREQ(error.what(),
               "run.yaml:3:5: key is missing\n  expected: a number\n  found: nothing\n  next step: add it");
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_EQ(error.problem().found, "nothing");
}

TEST(Error, EmptyPartsAreLeftOut) { EXPECT_STREQ(Error(ExitCode::io, {.what = "disk full"}).what(), "disk full"); }

TEST(Error, ControlCharactersCannotReachTheTerminal) {
  EXPECT_STREQ(Error(ExitCode::bad_file, {.what = "bad", .where = "a\033[2Jb", .found = "x\r\n\ty\x7f"}).what(),
               "a\\x1b[2Jb: bad\n  found: x\\x0d\\n\ty\\x7f");
  EXPECT_STREQ(Error(ExitCode::bad_file, {.what = "\xC2\x9B[ \xC2\xA0 \xE2\x80\x9B"}).what(),
               "\\x9b[ \xC2\xA0 \xE2\x80\x9B");
}

TEST(Error, TextFromAFileIsNoLineOfItsOwnAndHasAnEnd) {
  const Error error(ExitCode::bad_file, {.what = "unknown type", .found = "x\nbt-eval: done" + std::string(9000, 'y')});
  const std::string text = error.what();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_LT(text.size(), 4100u);
  EXPECT_TRUE(text.ends_with("yyy..."));
}

TEST(Error, IoErrorsNameTheSystemError) {
  try {
    errno = ENOSPC;
    fail_io({.what = "cannot write the file", .where = "a/b"});
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a/b: cannot write the file: No space left on device");
    EXPECT_EQ(error.code(), ExitCode::io);
  }
}

TEST(Error, AssertionIsALogicErrorInEveryBuild) {
  EXPECT_NO_THROW(BT_ASSERT(1 + 1 == 2));
  EXPECT_THROW(BT_ASSERT(1 + 1 == 3), std::logic_error);
}

TEST(Checked, ResultsThatFitPass) {
  EXPECT_EQ(checked_mul<int64_t>(-3, 7, "x"), -21);
  EXPECT_EQ(checked_add<uint64_t>(UINT64_MAX - 1, 1, "x"), UINT64_MAX);
  EXPECT_EQ(checked_cast<int32_t>(int64_t{INT32_MIN}, "x"), INT32_MIN);
  EXPECT_EQ(checked_cast<uint64_t>(INT64_MAX, "x"), uint64_t{INT64_MAX});
}

TEST(Checked, OverflowIsABadFileThatNamesTheValue) {
  EXPECT_THROW(checked_mul<int64_t>(INT64_MAX, 2, "x"), Error);
  EXPECT_THROW(checked_add<uint64_t>(UINT64_MAX, 1, "x"), Error);
  EXPECT_THROW(checked_cast<uint32_t>(-1, "x"), Error);
  EXPECT_THROW(checked_cast<int64_t>(UINT64_MAX, "x"), Error);
  try {
    checked_cast<int8_t>(128, "number of heads");
    FAIL() << "128 does not fit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_NE(std::string(error.what()).find("number of heads"), std::string::npos);
  }
}

}  // namespace
}  // namespace bt
