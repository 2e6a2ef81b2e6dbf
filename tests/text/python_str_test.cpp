#include "bt/text/python_str.h"

#include <gmock/gmock.h>

namespace bt {
namespace {

using ::testing::ElementsAre;

TEST(ValidUtf8, ReplacesOnlyWhatIsNotUtf8) {
  EXPECT_EQ(valid_utf8("a\u00e9\u20ac\U0001F600"), "a\u00e9\u20ac\U0001F600");
  EXPECT_EQ(valid_utf8("a\xff"
                       "b"),
            "a\uFFFDb");
  EXPECT_EQ(valid_utf8("\xe2\x82"), "\uFFFD");                  // cut off
  EXPECT_EQ(valid_utf8("\xc0\x80"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80").size(), 4 * 3u);     // beyond U+10FFFF
}

TEST(StripSpace, RemovesWhatPythonRemoves) {
  EXPECT_EQ(strip_space(" \t\r\n\v\f\x1c x y \u00a0\u3000\u2028"), "x y");
  EXPECT_EQ(strip_space("\u200b"
                        "x"),
            "\u200b"
            "x");  // zero-width space is not white space
  EXPECT_EQ(strip_space(" \n"), "");
  EXPECT_EQ(strip_trailing_space(" x\n\n"), " x");
}

TEST(SplitText, FindsSeparatorsLeftToRightWithoutOverlap) {
  EXPECT_THAT(split_text("a####b#####c", "####"), ElementsAre("a", "b", "#c"));
  EXPECT_THAT(split_text("", "="), ElementsAre(""));
  EXPECT_THAT(split_text("=", "="), ElementsAre("", ""));
}

TEST(ReplaceText, DoesNotReplaceInItsOwnResult) {
  EXPECT_EQ(replace_text("aaa", "aa", "a"), "aa");
  EXPECT_EQ(replace_text("tfrac dfrac", "frac", "ffrac"), "tffrac dffrac");
}

}  // namespace
}  // namespace bt
