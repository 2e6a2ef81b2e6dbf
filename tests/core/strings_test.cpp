#include "bt/core/strings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bt {
namespace {

TEST(Strings, StrStreamsEveryArgument) { EXPECT_EQ(str("rank ", 3, " of ", 8, '.', 0.5), "rank 3 of 8.0.5"); }

TEST(Strings, JoinAndSplitAreInverse) {
  for (const char* text : {"", ",", "a", "a,b", ",a,,b,"}) EXPECT_EQ(join(split(text, ','), ","), text);
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Strings, TrimRemovesAsciiWhiteSpaceAtBothEnds) {
  EXPECT_EQ(trim(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim("\u00a0x"), "\u00a0x");
}

TEST(NearestName, FindsMisspellingsOnly) {
  const std::vector<std::string> names = {"steps", "batch_size", "learning_rate", "lr"};
  EXPECT_EQ(nearest_name("stesp", names), "steps");
  EXPECT_EQ(nearest_name("batchsize", names), "batch_size");
  EXPECT_EQ(nearest_name("lerning_rat", names), "learning_rate");
  EXPECT_EQ(nearest_name("lr", names), "lr");
  EXPECT_EQ(nearest_name("momentum", names), "");
  EXPECT_EQ(nearest_name("steps", {}), "");
  EXPECT_EQ(nearest_name("abcdef", {"abc"}), "") << "distance 3 of 6 letters is too far";
  EXPECT_EQ(nearest_name("abcdefghi", {"abcdef"}), "abcdef") << "distance 3 of 9 letters is near";
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'x'), names), "");
}

TEST(QuotedExcerpt, EscapesAndCuts) {
  EXPECT_EQ(quoted_excerpt("a\"b\\c\n\t\x01\x7f"), "\"a\\\"b\\\\c\\n\\t\\x01\\x7f\"");
  EXPECT_EQ(quoted_excerpt("abcdef", 4), "\"abcd…\"");
  EXPECT_EQ(quoted_excerpt("abcd", 4), "\"abcd\"");
}

TEST(TextPosition, CountsFromOne) {
  const auto at = [](size_t offset) {
    const TextPosition position = text_position("ab\n\ncd", offset);
    return std::vector<int>{position.line, position.column};
  };
  EXPECT_EQ(at(0), (std::vector<int>{1, 1}));
  EXPECT_EQ(at(2), (std::vector<int>{1, 3}));
  EXPECT_EQ(at(3), (std::vector<int>{2, 1}));
  EXPECT_EQ(at(5), (std::vector<int>{3, 2}));
  EXPECT_EQ(at(99), (std::vector<int>{3, 3}));
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    std::string bytes;
    append_utf8(bytes, code_point);
    ASSERT_EQ(utf8_sequence_length(bytes), bytes.size()) << std::hex << static_cast<uint32_t>(code_point);
    bytes.pop_back();
    ASSERT_EQ(utf8_sequence_length(bytes), 0u) << std::hex << static_cast<uint32_t>(code_point);
  }
}

TEST(Utf8, IllFormedSequencesAreRefused) {
  for (const char* bytes : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
                            "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xC3(", "\xE2\x82", "\xE2(\xA1", "\xE2\x82("}) {
    EXPECT_FALSE(is_valid_utf8(bytes)) << quoted_excerpt(bytes);
  }
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8(std::string("a\0é€😀", 11)));
  EXPECT_EQ(valid_utf8_prefix("aé\xff"
                              "b"),
            3u);
}

}  // namespace
}  // namespace bt
