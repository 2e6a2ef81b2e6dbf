#include "bt/text/pattern.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace bt {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> found(const char* pattern, std::string_view text) {
  std::vector<std::string> out;
  for (const PatternMatch& match : Pattern(pattern).find_all(text)) out.emplace_back(match.groups[0]);
  return out;
}

TEST(Pattern, DigitsInBracketsAreAsciiOnly) {
  EXPECT_THAT(found("[0-9]+", "12 \u0663\u0664 5"), ElementsAre("12", "5"));
  EXPECT_THAT(found("\\d+", "12 \u0663\u0664"), ElementsAre("12", "\u0663\u0664"));
}

TEST(Pattern, DotExcludesOnlyNewlineAndIsOneCharacter) {
  EXPECT_THAT(found("a.", "a\n a\r a\u2028 a\u00e9"), ElementsAre("a\r", "a\u2028", "a\u00e9"));
}

TEST(Pattern, DollarMatchesBeforeFinalNewline) {
  EXPECT_EQ(Pattern("\\.$").replace_all("5.\n", ""), "5\n");
  EXPECT_EQ(Pattern("\\.$").replace_all("5.", ""), "5");
  EXPECT_EQ(Pattern("\\.$").replace_all("5.\n\n", ""), "5.\n\n");
  EXPECT_EQ(Pattern("\\.$").replace_all("5.\r\n", ""), "5.\r\n");
}

TEST(Pattern, EmptyMatchesFollowPython) {
  // re.sub("x*", "-", "abxd") == "-a-b--d-"
  EXPECT_EQ(Pattern("x*").replace_all("abxd", "-"), "-a-b--d-");
  // re.findall("x*", "\u00e9") has two empty matches, none inside the character
  EXPECT_EQ(found("x*", "\u00e9").size(), 2u);
}

TEST(Pattern, GroupsThatTookNoPartAreEmpty) {
  const auto match = Pattern("(a)|(b)").search("b");
  ASSERT_TRUE(match);
  EXPECT_THAT(match->groups, ElementsAre("b", "", "b"));
}

TEST(Pattern, ReplacementKnowsGroupsAndOtherBackslashesStay) {
  EXPECT_EQ(Pattern("(frac)([^{])(.)").replace_all("\\frac12x", "\\1{\\2}{\\3}"), "\\frac{1}{2}x");
  EXPECT_EQ(Pattern("b").replace_all("abc", "\\n"), "a\\nc");
}

TEST(Pattern, InvalidUtf8NeverMatches) {
  EXPECT_THAT(found("a.b", "a-b \xff"), ElementsAre());
  EXPECT_FALSE(Pattern("a").search("a\xe2\x82"));
}

TEST(Pattern, LongRunsMatchWithoutStackOrLimit) {
  const std::string run(1'000'000, '7');
  EXPECT_EQ(found("(-?[$0-9.,]{2,})|(-?[0-9]+)", run).at(0).size(), run.size());
  EXPECT_EQ(Pattern("The answer is (\\-?[0-9\\.\\,]+).").search("The answer is " + run)->groups[1].size(),
            run.size() - 1);
  EXPECT_EQ(Pattern("(?s).*#### ").replace_all(run, ""), run);
  EXPECT_EQ(Pattern("7").replace_all(run, ""), "");  // a million matches
}

TEST(Pattern, ExponentialBacktrackingEndsAsNoMatch) {
  EXPECT_FALSE(Pattern("(a+)+[bc]").search(std::string(5'000, 'a') + "d"));
}

TEST(Pattern, InvalidPatternIsOurBug) { EXPECT_THROW(Pattern("(a"), std::logic_error); }

}  // namespace
}  // namespace bt
