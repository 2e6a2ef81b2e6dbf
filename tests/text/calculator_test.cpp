#include "bt/text/calculator.h"

#include <gtest/gtest.h>

namespace bt {
namespace {

TEST(Calculator, AnnotationsGoAndOtherAnglesStay) {
  EXPECT_EQ(without_calculator("48/2 = <<48/2=24>>24 a<<b\nc>>d <<x=1>>"), "48/2 = 24 a<<b\nc>>d ");
  EXPECT_EQ(without_calculator("a<<b\n<<c\nd<<1=1>>e\n>>f<<g"), "a<<b\n<<c\nde\n>>f<<g");
  EXPECT_EQ(without_calculator("<<<1>>2<<"), "2<<");
  EXPECT_EQ(without_calculator(""), "");
}

}  // namespace
}  // namespace bt
