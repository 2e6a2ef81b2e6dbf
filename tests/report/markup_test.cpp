#include "../../src/report/markup.h"

#include "../../src/report/figures.h"
#include "../../src/report/table.h"
#include "report_support.h"

namespace bt::report {
namespace {

using ::testing::HasSubstr;

TEST(Markup, EscapesContentAndAttributes) {
  EXPECT_EQ(element("p", {{"title", "a\"b<c>&'"}}, text("<script>&\"")).xml,
            "<p title=\"a&quot;b&lt;c&gt;&amp;'\">&lt;script&gt;&amp;&quot;</p>");
  EXPECT_EQ(element("b", element("i", text("x"))).xml, "<b><i>x</i></b>");
}

TEST(Markup, ReplacesWhatXmlDoesNotAllow) {
  EXPECT_EQ(text(std::string("a\0b\x1b\x7f\tc", 7)).xml,
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd\x7f\tc");
  EXPECT_EQ(text("\xff\xc3\xa9\xed\xa0\x80").xml, "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(text("\xef\xbf\xbf").xml, "\xef\xbf\xbd");
}

TEST(Markup, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(text("abcdef", 3).xml, "abc…");
  EXPECT_EQ(text("abc", 3).xml, "abc");
  EXPECT_EQ(text("aééé", 2).xml, "aé…");
}

TEST(Markup, TablesNameRowsAndAlignNumbers) {
  const Markup made = table("caption", {{"run"}, {"loss", true}}, {{"a<b", "0.5"}});
  EXPECT_THAT(made.xml, HasSubstr("<th scope=\"row\">a&lt;b</th><td class=\"number\">0.5</td>"));
  EXPECT_EQ(testing::malformed(made.xml), "");
}

TEST(ReportFigures, AreShortAndSayWhatIsNotFinite) {
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(significant(0.30654), "0.3065");
  EXPECT_EQ(significant(17648.4), "17,648");
  EXPECT_EQ(significant(8.04e11), "8.04e+11");
  EXPECT_EQ(significant(std::nan("")), "not finite");
  EXPECT_EQ(percent(0.4684), "46.8");
  EXPECT_EQ(points(0.0123), "+1.23");
  EXPECT_EQ(points(Interval{-0.01, 0.02}), "[-1.00, +2.00]");
  EXPECT_LT(points(-1e300).size(), 16u);
  EXPECT_EQ(p_text(0.01234), "0.012");
  EXPECT_EQ(p_text(1e-9), "below 0.0001");
}

TEST(ReportFigures, NullsAreStatedAsNulls) {
  EXPECT_EQ(finding({-0.1, 0.1}), "0 lies in the interval");
  EXPECT_EQ(finding({0, 0.1}), "0 lies in the interval");
  EXPECT_EQ(finding({0.01, 0.1}), "above 0");
  EXPECT_EQ(finding({-0.1, -0.01}), "below 0");
}

}  // namespace
}  // namespace bt::report
