#include "bt/train/metrics_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {
namespace {

class MetricsLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string text() const { return read_file(folder_ + "/metrics.jsonl"); }
  const std::string folder_ = ::testing::TempDir() + "bt_metrics_log_" + std::to_string(::getpid());
};

TEST_F(MetricsLogTest, AppendsOneObjectALine) {
  MetricsLog log(folder_, -1, false);
  log.write(1, "train", Json::object({{"loss", 2.5}}));
  log.write(2, "train", Json::object({{"loss", 0.1}, {"rewrite_size", Json::array({0.5, 1.0})}}));
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":0.1,\"rewrite_size\":[0.5,1.0]}\n");
}

TEST_F(MetricsLogTest, ResumingKeepsWholeLinesUpToTheStep) {
  std::ofstream(folder_ + "/metrics.jsonl")
      << "{\"step\":1}\n{\"step\":2}\nnot json\n{\"step\":3}\n{\"step\":2,\"validation_loss\":1}\n{\"st";
  MetricsLog log(folder_, 2, false);
  log.write(3, "train", Json::object());
  EXPECT_EQ(text(), "{\"step\":1}\n{\"step\":2}\n{\"step\":2,\"validation_loss\":1}\n{\"step\":3}\n");
}

TEST_F(MetricsLogTest, AFreshStartEmptiesTheFile) {
  std::ofstream(folder_ + "/metrics.jsonl") << "{\"step\":0}\n";
  const MetricsLog log(folder_, -1, false);
  EXPECT_EQ(text(), "");
}

TEST_F(MetricsLogTest, NonFiniteNumbersStayReadable) {
  MetricsLog log(folder_, -1, true);
  log.write(1, "train", Json::object({{"loss", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":\"NaN\"}\n");
}

TEST_F(MetricsLogTest, WritesCurvesForTensorBoard) {
  MetricsLog log(folder_, -1, true);
  log.write(7, "train", Json::object({{"loss", 2.5}, {"rewrite_size", Json::array({0.5, 1.0})}}));
  std::string events;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents")) events = read_file(entry.path().string());
  }
  EXPECT_NE(events.find("train/loss"), std::string::npos);
  EXPECT_NE(events.find("train/rewrite_size/1"), std::string::npos);
}

TEST_F(MetricsLogTest, AFullDiskIsAnIoError) {
  MetricsLog log(folder_, -1, false);
  std::filesystem::create_symlink("/dev/full", folder_ + "/metrics.jsonl");
  try {
    log.write(1, "train", Json::object({{"loss", 1.0}}));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::io);
  }
}

}  // namespace
}  // namespace bt
