#include "bt/core/numerals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace bt {
namespace {

TEST(ParseInteger, TakesEveryNumeralWithAnIntegerValue) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-0"), 0);
  EXPECT_EQ(parse_integer("+7"), 7);
  EXPECT_EQ(parse_integer("3e4"), 30000);
  EXPECT_EQ(parse_integer("3E+4"), 30000);
  EXPECT_EQ(parse_integer("1.5e1"), 15);
  EXPECT_EQ(parse_integer("-2.50e2"), -250);
  EXPECT_EQ(parse_integer("300e-2"), 3);
  EXPECT_EQ(parse_integer("3.0"), 3);
  EXPECT_EQ(parse_integer("0e999999999"), 0);
  EXPECT_EQ(parse_integer("0.0000000000000000000000000001e28"), 1);
}

TEST(ParseInteger, IsExactUpToTheLimits) {
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_integer("9223372036854775.807e3"), INT64_MAX);
  EXPECT_EQ(parse_integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_integer("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(parse_integer("1e18"), 1000000000000000000);
  EXPECT_EQ(parse_integer("1e19"), std::nullopt);
  EXPECT_EQ(parse_integer("1.8e19"), std::nullopt);
  EXPECT_EQ(parse_integer("1e999999999"), std::nullopt);
}

TEST(ParseInteger, RefusesWhatIsNoNumeralOrNoInteger) {
  for (const char* text :
       {"",    " 1",    "1 ", "01", "-01", "00",  "1_000", "1,000", "0x10", "1.5", "1e-1", "e4",          "1e",
        "1e+", "1e4.0", "+",  "-",  ".",   "+-1", "1..0",  "١",     "inf",  "nan", "1f",   "1e1000000000"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(ParseNumber, GivesTheNearestDouble) {
  EXPECT_EQ(parse_number("0.1"), 0.1);
  EXPECT_EQ(parse_number("+1e-5"), 1e-5);
  EXPECT_EQ(parse_number(".5"), 0.5);
  EXPECT_EQ(parse_number("5."), 5.0);
  EXPECT_EQ(parse_number("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_TRUE(std::signbit(parse_number("-0").value()));
}

TEST(ParseNumber, RefusesWhatIsNotFinite) {
  for (const char* text :
       {"", "1e309", "1e-400", "inf", "-inf", "nan", ".inf", "0x1p3", "01.5", "1e", "1.5 ", ".", "1d3"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(NumberText, ReadsBackAsTheSameValue) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(10), "10");
  for (const double value : {1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308, -2.5e-7, 123456789012345680.0}) {
    EXPECT_EQ(parse_number(number_text(value)).value_or(0), value) << number_text(value);
  }
}

}  // namespace
}  // namespace bt
