// Mutants of the files that a report reads: whatever they hold, the page is well-formed or there is an error.
#include "bt/report/html_report.h"
#include "report_support.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

class Files : public testing::ReportTest {
 public:
  void TestBody() override {}
  // The page of `folder` once `file` in it holds the input.
  testing::FuzzTarget target(const std::string& folder, const std::string& file, std::vector<std::string> seeds) const {
    return {.name = "report of " + file,
            .seeds = std::move(seeds),
            .read =
                [this, folder, file](const std::string& text, testing::StageCounts&) {
                  write(folder + "/" + file, text);
                  EXPECT_EQ(testing::malformed(html_report({path(folder)})), "") << text;
                },
            .floors = {{"read", 0.05}}};
  }
  testing::FuzzTarget metrics() const {
    training("a", "");
    return target("a", "metrics.jsonl",
                  {"{\"step\":1,\"loss\":2.5,\"grad_norm\":0.1,\"rewrite_size\":[0.1,0.2]}\n"
                   "{\"step\":2,\"loss\":\"NaN\",\"grad_norm\":100,\"rewrite_size\":[0.1,null]}\n",
                   "{\"step\":3,\"validation_loss\":2.5}\n{\"step\":900,\"validation_loss\":1e-3}\n"});
  }
  testing::FuzzTarget config() const {
    training("b", "{\"step\":1,\"loss\":2.5}\n");
    return target("b", "config.resolved.yaml", {"# bt 0.1.0\nrun: {name: x, seed: 3}\nlatent:\n  method: bt\n"});
  }
  testing::FuzzTarget results_file() const { return target("c", "results_1.json", {results("t", 3, 4)}); }
  testing::FuzzTarget study_file() const {
    return target("d", "study.json",
                  {R"({"protocol":{"a":[1]},"seeds":[0,1],"rows":[{"arm":"x","weights":"best","task":"t",)"
                   R"("accuracy":[0.5,null],"validation_loss":[1.5,2],"flops":[1e9,null],"failed":[1]}],)"
                   R"("contrasts":[{"a":"x","b":"y","outcome":{"task":"t","filter":"f"},"difference":0.5,)"
                   R"("interval":[-1,1],"p":0.5,"p_holm":1,"primary":true,"per_seed":[0.1,null]}]})"});
  }
};

void fuzz_all(int64_t inputs) {
  const Files files;
  testing::fuzz(files.metrics(), inputs);
  testing::fuzz(files.config(), inputs);
  testing::fuzz(files.results_file(), inputs);
  testing::fuzz(files.study_file(), inputs);
}

TEST(Fuzz, RunFiles) { fuzz_all(500); }
TEST(FullFuzz, RunFiles) { fuzz_all(20'000); }

}  // namespace
}  // namespace bt
