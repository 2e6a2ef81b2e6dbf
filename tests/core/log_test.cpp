#include "bt/core/log.h"

#include <gtest/gtest.h>

#include <string>

namespace bt {
namespace {

std::string logged(log::Level level) {
  testing::internal::CaptureStderr();
  log::set_level(level);
  log::debug("one {}");
  log::info("two {0}");
  log::warning("three %s");
  log::error("four");
  log::set_level(log::Level::info);
  return testing::internal::GetCapturedStderr();
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST(Log, MessagesAreNeverTakenForFormats) {
  const std::string text = logged(log::Level::debug);
  for (const char* part : {"one {}", "two {0}", "three %s", "four", "debug", "warning", "error"}) {
    EXPECT_TRUE(contains(text, part)) << part << " in " << text;
  }
}

TEST(Log, LevelsFilter) {
  const std::string text = logged(log::Level::warning);
  EXPECT_FALSE(contains(text, "two"));
  EXPECT_TRUE(contains(text, "three"));
  EXPECT_EQ(logged(log::Level::off), "");
}

TEST(Log, LevelNamesAreParsed) {
  log::Level level = log::Level::info;
  EXPECT_TRUE(log::parse_level("error", level));
  EXPECT_EQ(level, log::Level::error);
  EXPECT_FALSE(log::parse_level("loud", level));
  EXPECT_FALSE(log::parse_level("", level));
  EXPECT_EQ(level, log::Level::error) << "an unknown name changes nothing";
}

}  // namespace
}  // namespace bt
