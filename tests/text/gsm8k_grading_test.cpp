#include "bt/text/gsm8k_grading.h"

#include <gtest/gtest.h>

#include <string>

#include "bt/text/numbers.h"

namespace bt {
namespace {

struct Case {
  std::string completion, extracted;
};

TEST(CotStrict, WantsOneMoreCharacterAfterTheNumber) {
  for (const auto& [completion, extracted] :
       {Case{"The answer is 29.", "29"}, Case{"The answer is 29", "2"}, Case{"The answer is 7", "[invalid]"},
        Case{"The answer is 7\n", "[invalid]"}, Case{"The answer is 29...", "29.."},
        Case{"The answer is $29.", "[invalid]"}, Case{"The answer is 1,234.", "1,234"}, Case{"The answer is -5.", "-5"},
        Case{"the answer is 5.", "[invalid]"}, Case{"The answer is 3. The answer is 4.", "3."},
        Case{"The answer is 18.00 dollars", "18.00"}, Case{"The answer is 12\u20ac", "12"},
        Case{"The answer is 12\u0663", "12"}, Case{"", "[invalid]"}}) {
    EXPECT_EQ(extract_cot_strict(completion), extracted) << completion;
  }
}

TEST(HashStrict, TakesTheFirstNumberAfterHashes) {
  for (const auto& [completion, extracted] :
       {Case{"#### 29", "29"}, Case{"so\n#### 1,000.50\n", "1,000.50"}, Case{"####29", "[invalid]"},
        Case{"#### $29", "[invalid]"}, Case{"#### -3 #### 4", "-3"}, Case{"##### 5", "5"}, Case{"#### .", "."}}) {
    EXPECT_EQ(extract_hash_strict(completion), extracted) << completion;
  }
}

TEST(Flexible, TakesTheLastRunOfNumberCharacters) {
  for (const auto& [completion, extracted] :
       {Case{"so 29 it is", "29"}, Case{"29...", "29..."}, Case{"done ...", "..."}, Case{"10-5", "-5"},
        Case{"18.0 apples", "18.0"}, Case{"$29.00", "$29.00"}, Case{"7", "7"}, Case{"7.", "7."},
        Case{"none", "[invalid]"}, Case{"3 and $", "3"}}) {
    EXPECT_EQ(extract_flexible(completion), extracted) << completion;
  }
}

TEST(HarnessExactMatch, DeletesSeparatorsAndOneFinalPeriod) {
  EXPECT_TRUE(harness_exact_match("$1,234.", "1234"));
  EXPECT_TRUE(harness_exact_match("29", "a long solution\n#### 29"));
  EXPECT_TRUE(harness_exact_match("29", "#### 1 #### 29"));
  EXPECT_FALSE(harness_exact_match("18.0", "18"));
  EXPECT_FALSE(harness_exact_match("29..", "29"));
  EXPECT_FALSE(harness_exact_match("29", "#### 29\n"));
  EXPECT_TRUE(harness_exact_match("[invalid]", "[INVALID]"));
}

TEST(AfterHashes, SplitsLikePython) {
  EXPECT_EQ(after_hashes("steps\n#### 1,234 \n"), "1,234");
  EXPECT_EQ(after_hashes("##### 5"), "# 5");
  EXPECT_EQ(after_hashes("no mark"), "no mark");
}

TEST(FinalAnswer, IsTheRestOfTheLastMarkedLine) {
  for (const auto& [completion, extracted] :
       {Case{"a\n#### 1,234.\nb", "1234"}, Case{"#### 3\n#### $4", "4"}, Case{"#### 5 apples", "5 apples"},
        Case{"####5", "[invalid]"}, Case{"#### -7\r\n", "-7"}, Case{"#### ", ""}}) {
    EXPECT_EQ(extract_final_answer(completion), extracted) << completion;
  }
}

TEST(FinalAnswer, WithoutAMarkIsWhatIsBoxedLast) {
  for (const auto& [completion, extracted] :
       {Case{"so \\boxed{1,234}.", "1234"}, Case{"\\boxed{3} or \\boxed{\\$18}", "18"}, Case{"\\boxed{3}\n#### 4", "4"},
        Case{"\\boxed{18\\text{ dollars}}", "18"}, Case{"\\boxed{18", "[invalid]"}}) {
    EXPECT_EQ(extract_final_answer(completion), extracted) << completion;
  }
}

TEST(FinalAnswer, ComparesAsNumbersOfAnyLength) {
  EXPECT_TRUE(same_final_answer("18.0", "18"));
  EXPECT_TRUE(same_final_answer("+018", "18"));
  EXPECT_TRUE(same_final_answer("-0", "0"));
  EXPECT_FALSE(same_final_answer("-18", "18"));
  EXPECT_FALSE(same_final_answer("100000000000000000000000001", "100000000000000000000000000"));
  EXPECT_FALSE(same_final_answer("18 apples", "18"));
  EXPECT_FALSE(same_final_answer("", ""));
  EXPECT_FALSE(same_final_answer("[invalid]", "[invalid]"));
}

TEST(WholeSolution, IgnoresOnlyWhiteSpaceAtTheEnds) {
  EXPECT_TRUE(same_solution(" 1+1=2\n#### 2\n\n", "1+1=2\n#### 2"));
  EXPECT_FALSE(same_solution("1+1 = 2\n#### 2", "1+1=2\n#### 2"));
}

TEST(WholeSolution, LeavesOutCalculatorAnnotations) {
  EXPECT_TRUE(same_solution("3+4=7 and 7+1=8\n#### 8", "3+4=<<3+4=7>>7 and 7+1=<<7+1=8>>8\n#### 8"));
  EXPECT_TRUE(same_solution("a << b", "a << b"));
  EXPECT_FALSE(same_solution("3+4=7 <<8", "3+4=7"));
}

TEST(Numbers, CanonicalDecimalRefusesOtherTexts) {
  for (const char* text : {"", ".", "-", "1e5", "1,000", "1.2.3", "0x10", "--1", "\u0663"})
    EXPECT_FALSE(canonical_decimal(text)) << text;
  EXPECT_EQ(canonical_decimal(".50"), "0.5");
  EXPECT_EQ(canonical_decimal("5."), "5");
}

TEST(Numbers, ParseDoubleTakesExponentsAndRefusesTheRest) {
  EXPECT_EQ(parse_double("1e-5"), 1e-5);
  EXPECT_EQ(parse_double("+2.5"), 2.5);
  for (const char* text : {"", "nan", "inf", "1e999", "1 ", "+-1", "0x1p3"}) EXPECT_FALSE(parse_double(text)) << text;
}

TEST(Gsm8kGrading, RunsOf100000CharactersAreGraded) {
  const std::string run(100'000, '7');
  EXPECT_EQ(extract_flexible(run), run);
  EXPECT_EQ(extract_cot_strict("The answer is " + run + "!"), run);
  EXPECT_EQ(extract_hash_strict("#### " + run), run);
  EXPECT_TRUE(harness_exact_match(run, run));
  EXPECT_TRUE(same_final_answer(extract_final_answer("#### " + run), run));
}

}  // namespace
}  // namespace bt
