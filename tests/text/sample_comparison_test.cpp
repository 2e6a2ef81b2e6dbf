#include "bt/text/sample_comparison.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string samples(const std::vector<int>& scores, const std::string& filter = "strict-match",
                    const std::string& hash = "h") {
  std::string out;
  for (size_t i = 0; i < scores.size(); ++i) {
    out += str("{\"doc_id\":", i, ",\"filter\":\"", filter,
               "\",\"metrics\":[\"exact_match\"],\"exact_match\":", scores[i], ",\"doc_hash\":\"", hash, i, "\"}\n");
  }
  return out;
}

struct Comparing : ::testing::Test {
  fs::path folder = fs::temp_directory_path() / str("bt_compare_", getpid());
  std::string a = (folder / "a").string(), b = (folder / "b").string();
  void SetUp() override {
    fs::create_directories(a);
    fs::create_directories(b);
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string problem(const ComparisonOptions& options = {}) {
    try {
      compare_samples(a, b, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_file);
      return error.what();
    }
    return "";
  }
};

TEST_F(Comparing, PairsItemsOfTheNewestFilesOfTwoFolders) {
  write_file_atomically(a + "/samples_gsm8k_cot_2026-01-01T00-00-00.jsonl", samples({1, 1, 1, 1}));
  write_file_atomically(a + "/samples_gsm8k_cot_2026-01-02T00-00-00.jsonl", samples({1, 0, 0, 1}));
  write_file_atomically(b + "/samples_gsm8k_cot_2026-01-01T00-00-00.jsonl", samples({1, 1, 0, 1}));
  write_file_atomically(b + "/samples_svamp_2026-01-01T00-00-00.jsonl", samples({1}));
  const auto comparisons = compare_samples(a, b, {.resamples = 200});
  ASSERT_EQ(comparisons.size(), 1u);
  EXPECT_EQ(comparisons[0].task, "gsm8k_cot");
  EXPECT_EQ(comparisons[0].filter, "strict-match");
  EXPECT_EQ(comparisons[0].difference.items, 4);
  EXPECT_DOUBLE_EQ(comparisons[0].difference.difference, 0.25);
  EXPECT_EQ(comparisons[0].mcnemar.only_b, 1);
  EXPECT_EQ(comparisons[0].mcnemar.p_value, 1);
}

TEST_F(Comparing, CorrectsForEveryFilter) {
  const std::vector<int> none(8, 0), all(8, 1);
  write_file_atomically(a + "/samples_x_1.jsonl", samples(none, "p") + samples(none, "q"));
  write_file_atomically(b + "/samples_x_1.jsonl", samples(all, "p") + samples(all, "q"));
  const auto comparisons = compare_samples(a, b, {.resamples = 10});
  ASSERT_EQ(comparisons.size(), 2u);
  EXPECT_NEAR(comparisons[0].mcnemar.p_value, 2.0 / 256, 1e-12);
  EXPECT_NEAR(comparisons[0].holm_p_value, 4.0 / 256, 1e-12);
}

TEST_F(Comparing, ReadsTheOutputOfRegrading) {
  const std::string right = "{\"gold\":\"1\",\"graded\":{\"none\":{\"score\":1}}}\n",
                    wrong = "{\"gold\":\"1\",\"graded\":{\"none\":{\"score\":0}}}\n";
  write_file_atomically(a + "/x.jsonl", right + wrong);
  write_file_atomically(b + "/y.jsonl", right + right);
  a += "/x.jsonl";
  b += "/y.jsonl";
  const auto comparisons = compare_samples(a, b, {.resamples = 10});
  EXPECT_DOUBLE_EQ(comparisons.at(0).difference.difference, 0.5);
}

TEST_F(Comparing, RefusesSidesWithDifferentDocuments) {
  write_file_atomically(a + "/samples_x_1.jsonl", samples({1, 0}));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1}));
  EXPECT_THAT(problem(), HasSubstr("different documents"));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1, 0, 1}));
  EXPECT_THAT(problem(), HasSubstr("different documents"));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1, 0}, "strict-match", "other"));
  EXPECT_THAT(problem(), HasSubstr("different documents"));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1, 0}) + samples({1}));
  EXPECT_THAT(problem(), HasSubstr("graded twice"));
}

TEST_F(Comparing, RefusesFoldersWithNothingInCommon) {
  EXPECT_THAT(problem(), HasSubstr("no graded samples"));
  write_file_atomically(a + "/samples_x_1.jsonl", samples({1}));
  write_file_atomically(b + "/samples_y_1.jsonl", samples({1}));
  EXPECT_THAT(problem(), HasSubstr("nothing to compare"));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1}));
  EXPECT_EQ(problem(), "");
  EXPECT_THAT(problem({.task = "z"}), HasSubstr("samples of z"));
}

TEST_F(Comparing, OpensTheFilesOfTheTaskAlone) {
  write_file_atomically(a + "/samples_x_1.jsonl", samples({1}));
  write_file_atomically(a + "/samples_y_1.jsonl", "{");
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1}));
  EXPECT_EQ(problem({.task = "x"}), "");
  EXPECT_THAT(problem({.task = "y"}), HasSubstr("samples_y_1.jsonl"));
  EXPECT_THAT(problem(), HasSubstr("samples_y_1.jsonl"));
}

TEST_F(Comparing, PrintsPointsAndTheSameNumbersAsJson) {
  write_file_atomically(a + "/samples_x_1.jsonl", samples({1, 0, 0, 1}));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1, 1, 0, 1}));
  const ComparisonOptions options{.resamples = 50, .seed = 3};
  const auto comparisons = compare_samples(a, b, options);
  EXPECT_THAT(comparison_text(comparisons, options), HasSubstr("B - A             +25.00 points  [-24.00, +74.00]"));
  const Json json = comparison_json(comparisons, options);
  const Json& one = json.at("comparisons", "json").as_array("json").at(0);
  EXPECT_EQ(one.at("difference", "json").as_double("json"), 0.25);
  EXPECT_EQ(one.at("items", "json").as_int("json"), 4);
  EXPECT_EQ(json.at("seed", "json").as_int("json"), 3);
}

TEST_F(Comparing, WithoutADiscordantPairNothingIsSaidToBeDetectable) {
  write_file_atomically(a + "/samples_x_1.jsonl", samples({1, 0}));
  write_file_atomically(b + "/samples_x_1.jsonl", samples({1, 0}));
  const auto comparisons = compare_samples(a, b, {.resamples = 10});
  EXPECT_THAT(comparison_text(comparisons, {}), HasSubstr("detectable        not estimable"));
  const Json json = comparison_json(comparisons, {});
  EXPECT_TRUE(json.at("comparisons", "json").as_array("json").at(0).at("minimum_detectable_effect", "json").is_null());
}

}  // namespace
}  // namespace bt
