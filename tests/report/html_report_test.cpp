#include "bt/report/html_report.h"

#include "report_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

class HtmlReport : public testing::ReportTest {
 protected:
  // The page, which must be well-formed.
  static std::string page(const std::vector<std::string>& folders) {
    const std::string html = html_report(folders);
    EXPECT_EQ(testing::malformed(html), "");
    return html;
  }
  static ::testing::AssertionResult holds(const std::string& html, const std::string& part) {
    if (html.find(part) != std::string::npos) return ::testing::AssertionSuccess() << "the page holds " << part;
    return ::testing::AssertionFailure() << "the page lacks " << part;
  }
  static std::string refused(const std::vector<std::string>& folders, ExitCode code = ExitCode::bad_file) {
    return testing::problem_of([&] { html_report(folders); }, code);
  }
};

constexpr const char* kMetrics =
    "{\"step\":10,\"tokens\":1302,\"loss\":2.75,\"lr\":4e-04,\"grad_norm\":0.5,\"training_s\":1.5,\"flops\":8.04e11,"
    "\"calls_per_text\":4.125,\"rewrite_size\":[0.125,0.25]}\n"
    "{\"step\":10,\"validation_loss\":2.5}\n"
    "{\"step\":20,\"tokens\":2604,\"loss\":\"NaN\",\"lr\":null,\"skipped\":true,\"rewrite_size\":[0.375,\"NaN\"]}\n"
    "{\"step\":20,\"validation_loss\":2.625}\n";

TEST_F(HtmlReport, ShowsWhatATrainingRunWrote) {
  const std::string html = page({training("a", kMetrics)});
  EXPECT_TRUE(holds(html, "Training loss"));
  EXPECT_TRUE(holds(html, "Calls per text"));
  EXPECT_TRUE(holds(html, "<td class=\"number\">2,604</td><td class=\"number\">8.04e+11</td>"));
  EXPECT_TRUE(holds(html,
                    "<td class=\"number\">not finite</td><td class=\"number\">2.625</td>"
                    "<td class=\"number\">2.5</td><td class=\"number\">10</td>"));
  EXPECT_TRUE(holds(html, "Size of rewrites"));
  EXPECT_TRUE(holds(html, "<th scope=\"row\">0</th><td class=\"number\">0.375</td>"));
  EXPECT_TRUE(holds(html, "toy: 1 of the logged steps were skipped"));
  EXPECT_TRUE(holds(html, "bt 0.1.0 (0123456789ab), on cpu"));
  EXPECT_TRUE(holds(html, "<dt>seed</dt><dd>17</dd>"));
}

TEST_F(HtmlReport, ShowsFiguresOfMethodsItDoesNotKnow) {
  const std::string html = page({training("a", "{\"step\":1,\"my_rate\":0.5,\"my_layers\":[[1,2],[3]]}\n")});
  EXPECT_TRUE(holds(html, "<figcaption>my_rate</figcaption>"));
  EXPECT_TRUE(holds(html, "<h3>my_layers</h3>"));
  EXPECT_TRUE(holds(html, "<th scope=\"row\">2</th><td class=\"number\">3</td>"));
}

TEST_F(HtmlReport, RunsOfOneNameAreToldApartByFolder) {
  const std::string a = training("a", kMetrics), b = training("b", kMetrics), c = training("c", kMetrics, "other");
  const std::string html = page({a, b, c});
  EXPECT_TRUE(holds(html, "toy (" + a + ")"));
  EXPECT_TRUE(holds(html, "toy (" + b + ")"));
  EXPECT_FALSE(holds(html, "other ("));
}

TEST_F(HtmlReport, HoldsWithoutFiguresAndWithOneStep) {
  EXPECT_TRUE(holds(page({training("a", "")}), "toy: no figures yet."));
  EXPECT_TRUE(holds(page({training("b", "{\"step\":1,\"loss\":2}\n")}), "<circle"));
}

TEST_F(HtmlReport, ShowsARunWithoutSteps) {
  const std::string folder = training("a", kMetrics), other = training("b", kMetrics, "other");
  std::filesystem::remove(path("a/metrics.jsonl"));
  EXPECT_THAT(refused({folder, other}), HasSubstr("metrics.jsonl or final/")) << "no run, or one that has not begun";
  write("a/final/config.json", "{}");
  const std::string html = page({folder, other});
  EXPECT_TRUE(holds(html, "toy: no figures yet."));
  EXPECT_TRUE(holds(html, "<dd>17</dd>"));
}

TEST_F(HtmlReport, LeavesOutALineThatIsBeingWritten) {
  const std::string html = page({training("a", "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo")});
  EXPECT_TRUE(holds(html, "the last line of metrics.jsonl is unfinished"));
}

TEST_F(HtmlReport, SizeOfLongRunsIsBounded) {
  std::string metrics;
  for (int step = 1; step <= 1000; ++step) {
    metrics += str("{\"step\":", step, ",\"loss\":", 1.0 / step, ",\"rewrite_size\":[");
    for (int layer = 0; layer < 32; ++layer) metrics += str(layer > 0 ? "," : "", 0.001 * layer);
    metrics += "]}\n";
  }
  const std::string folder = training("a", metrics);
  EXPECT_LT(page({folder}).size(), 120'000u);
}

TEST_F(HtmlReport, NamesAreNeverMarkup) {
  const std::string html = page({training("a", "{\"step\":1,\"<script>alert(1)</script>\":2}\n", "\"<script>x&y\""),
                                 study("s", R"({"rows":[{"arm":"<script>","accuracy":[0.5]}]})")});
  EXPECT_FALSE(holds(html, "<script"));
  EXPECT_TRUE(holds(html, "&lt;script&gt;x&amp;y"));
  EXPECT_TRUE(holds(html, "default-src 'none'"));
}

TEST_F(HtmlReport, ShowsAccuraciesWithIntervals) {
  const std::string html = page({evaluation("a", {1, 1, 0, 0, 0, 0, 0, 0, 0, 0})});
  EXPECT_TRUE(holds(html, "20.0 [5.7, 51.0]"));  // Wilson's interval of 2 in 10
  EXPECT_THAT(html,
              HasSubstr("<td class=\"number\">3</td><td class=\"number\">2.5</td><td class=\"number\">25.0</td>"));
  EXPECT_TRUE(holds(html, "<dt>seed</dt><dd>17</dd>"));
  EXPECT_TRUE(holds(html, "<pre>recall: 4</pre>"));
}

TEST_F(HtmlReport, PairsTheFirstEvaluationWithTheOthers) {
  const std::vector<int> none(20, 0), all(20, 1);
  const std::string html = page({evaluation("a", none), evaluation("b", all), evaluation("c", none)});
  EXPECT_TRUE(holds(html, "+100.00 [+100.00, +100.00]"));
  // 2 in 2^20, times 2 comparisons.
  EXPECT_TRUE(holds(html,
                    "<td>above 0</td><td class=\"number\">0</td><td class=\"number\">20</td>"
                    "<td class=\"number\">below 0.0001</td><td class=\"number\">below 0.0001</td>"));
  EXPECT_TRUE(holds(html, "<td>0 lies in the interval</td>"));
  EXPECT_TRUE(holds(html, "<td class=\"number\">not estimable</td>"));
  EXPECT_FALSE(holds(page({evaluation("d", {0, 1}), evaluation("e", {1, 1})}), ">not estimable<"));
}

TEST_F(HtmlReport, HolmCorrectsForAllComparisonsOfThePage) {
  const std::vector<int> none(6, 0), all(6, 1);
  const std::string html = page({evaluation("a", none), evaluation("b", all), evaluation("c", all)});
  EXPECT_TRUE(holds(html, "<td class=\"number\">0.031</td><td class=\"number\">0.063</td>"));
}

TEST_F(HtmlReport, SaysWhyDocumentsAreNotPaired) {
  const std::string html = page({evaluation("a", {1, 0}), evaluation("b", {1, 0}, "other")});
  EXPECT_TRUE(holds(html, "b, t: not paired, as"));
  EXPECT_TRUE(holds(html, "different documents"));
}

TEST_F(HtmlReport, ATaskOfMalformedSamplesLeavesTheOthersPaired) {
  const std::vector<std::string> folders = {evaluation("a", {1, 0}), evaluation("b", {1, 1})};
  for (const char* folder : {"a", "b"}) {
    write(str(folder, "/results_2025-01-01.json"), results("u", 1, 2));
    write(str(folder, "/samples_u_2025-01-01.jsonl"), "{");
  }
  const std::string html = page(folders);
  EXPECT_TRUE(holds(html, "b, u: not paired, as"));
  EXPECT_TRUE(holds(html, "+50.00 ["));
}

TEST_F(HtmlReport, NewestResultsOfATaskCount) {
  const std::string folder = evaluation("a", {1, 0});
  write("a/results_2026-01-02.json", results("t", 1, 4));
  write("a/results_2025-01-01.json", results("u", 7, 7));
  const std::string html = page({folder});
  EXPECT_TRUE(holds(html, "<td class=\"number\">1</td><td class=\"number\">4</td>"));
  EXPECT_FALSE(holds(html, "<td class=\"number\">1</td><td class=\"number\">2</td>"));
  EXPECT_TRUE(holds(html, "<td class=\"number\">7</td><td class=\"number\">7</td>"));
}

constexpr const char* kStudy = R"({"protocol":{"lr":0.001},"seeds":[0,1,2],"unfinished_seeds":[3],"rows":[
  {"arm":"sft","weights":"best","split":"test","task":"t","filter":"f","accuracy":[0.4,0.5,null],
   "validation_loss":[2.5,2.75,null],"train_loss":null,"flops":[8e11,8e11,null],"training_s":[20,22,null],
   "steps":[400,400,null],"trained_parameters":52544,"inference_parameters":null,"failed":[2]},
  {"arm":"bt","weights":"best","split":"test","task":"t","filter":"f","accuracy":[0.5,0.5,0.5]}],
 "contrasts":[{"a":"bt","b":"sft","outcome":{"task":"t","filter":"f"},"split":"test","difference":0.05,
   "interval":[-0.01,0.11],"p":0.08,"p_holm":0.16,"primary":true,"per_seed":[0.1,0.0,null]},
  {"a":"bt/best","b":"lora","outcome":"t, g","split":"test","difference":null,"interval":null,"p":null,
   "p_holm":null,"primary":false,"per_seed":[]}]})";

TEST_F(HtmlReport, ShowsAStudy) {
  const std::string html = page({study("s", kStudy)});
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">sft/best</th><td>t, f</td><td>test</td><td class=\"number\">45.0</td>"
                              "<td class=\"number\">40.0, 50.0, missing</td><td class=\"number\">2.625</td>"));
  EXPECT_TRUE(holds(html, "<td class=\"number\">52,544</td><td class=\"number\"></td><td class=\"number\">2</td>"));
  EXPECT_TRUE(holds(html, "bt − sft (primary)"));
  EXPECT_TRUE(holds(html, "t, f, test, differences"));
  EXPECT_TRUE(holds(html,
                    "+5.00 [-1.00, +11.00]</td><td>0 lies in the interval</td>"
                    "<td class=\"number\">0.08</td><td class=\"number\">0.16</td>"
                    "<td class=\"number\">+10.00, +0.00, missing</td>"));
  EXPECT_TRUE(holds(html, "<th scope=\"row\">bt/best − lora</th><td>t, g</td><td>test</td>"));
  EXPECT_TRUE(holds(html, "no result</td><td>no interval</td>"));
  EXPECT_TRUE(holds(html, "Seeds: 0, 1, 2; not finished: 3."));
  EXPECT_TRUE(holds(html, "&quot;lr&quot;: 0.001"));
}

TEST_F(HtmlReport, HoldsBeforeAStudysFirstResult) {
  const std::string html = page({study("s", "{\"seeds\":[],\"unfinished_seeds\":[0,1],\"rows\":[]}")});
  EXPECT_TRUE(holds(html, "No seed has finished; not finished: 0, 1."));
  EXPECT_TRUE(holds(html, "No results yet."));
}

TEST_F(HtmlReport, RefusesHostileStudies) {
  const auto refuse = [&](const std::string& json) { return refused({study("s", json)}); };
  EXPECT_THAT(refuse("{}"), HasSubstr("study.json: rows"));
  EXPECT_THAT(refuse("[]"), HasSubstr("study.json"));
  EXPECT_THAT(refuse("{\"rows\":[7]}"), HasSubstr("rows[0]"));
  EXPECT_THAT(refuse("{\"rows\":[{\"arm\":\"a\"},{\"task\":\"t\"}]}"), HasSubstr("rows[1].arm"));
  EXPECT_THAT(refuse("{\"rows\":[{\"arm\":\"a\",\"accuracy\":[\"x\"]}]}"), HasSubstr("rows[0].accuracy"));
  EXPECT_THAT(refuse("{\"rows\":[{\"arm\":\"a\",\"accuracy\":0.5}]}"), HasSubstr("rows[0].accuracy"));
  EXPECT_THAT(refuse("{\"rows\":[{\"arm\":\"a\"}],\"contrasts\":[{\"a\":\"a\",\"b\":\"b\",\"interval\":[2,1]}]}"),
              HasSubstr("contrasts[0].interval"));
  EXPECT_THAT(refuse("{\"rows\":[{\"arm\":\"a\"}],\"contrasts\":[{\"a\":\"a\",\"b\":\"b\",\"outcome\":1}]}"),
              HasSubstr("contrasts[0].outcome"));
  std::string many = "{\"rows\":[{\"arm\":\"a\",\"accuracy\":[0";
  for (int i = 0; i < 300; ++i) many += ",0";
  EXPECT_THAT(refuse(many + "]}]}"), HasSubstr("at most 256"));
}

TEST_F(HtmlReport, RefusesHostileRuns) {
  EXPECT_THAT(refused({training("a", "{\"loss\":1}\n")}), HasSubstr("metrics.jsonl:1: step"));
  EXPECT_THAT(refused({training("b", "{\"step\":1,\"loss\":\"high\"}\n")}), HasSubstr("\"loss\""));
  EXPECT_THAT(refused({training("c", "{\"step\":1,\"loss\":{}}\n")}), HasSubstr("\"loss\""));
  EXPECT_THAT(refused({training("d", "[]\n")}), HasSubstr("metrics.jsonl:1"));
  EXPECT_THAT(refused({training("e", "", "[")}), HasSubstr("config.resolved.yaml:5:1"));
  std::string keys = "{\"step\":1";
  for (int i = 0; i < 65; ++i) keys += str(",\"k", i, "\":1");
  EXPECT_THAT(refused({training("f", keys + "}\n")}), HasSubstr("at most 64"));
}

TEST_F(HtmlReport, RefusesHostileResults) {
  const auto refuse = [&](const std::string& json) {
    write("a/results_1.json", json);
    return refused({path("a")});
  };
  EXPECT_THAT(refuse("{}"), HasSubstr("results_1.json: results"));
  EXPECT_THAT(refuse("{\"results\":{\"t\":{}}}"), HasSubstr("\"t\".bt"));
  EXPECT_THAT(refuse(results("t", 5, 4)), HasSubstr("5 right of 4"));
  EXPECT_THAT(refuse(results("t", 0, 0)), HasSubstr("0 right of 0"));
  EXPECT_THAT(refuse(results("t", -1, 4)), HasSubstr("negative"));
}

TEST_F(HtmlReport, NamesWhatOtherFoldersHold) {
  write("best/config.resolved.yaml", "");
  const std::string problem = refused({path("best")});
  EXPECT_THAT(problem, HasSubstr("metrics.jsonl"));
  EXPECT_THAT(problem, HasSubstr("found: config.resolved.yaml"));
  EXPECT_THAT(refused({path("nowhere")}), HasSubstr("No such file"));
  write("file", "");
  EXPECT_THAT(refused({path("file")}), HasSubstr("Not a directory"));
}

TEST_F(HtmlReport, RefusesAFolderGivenTwiceAndTooMany) {
  const std::string folder = training("a", kMetrics);
  EXPECT_THAT(refused({folder, folder + "/."}, ExitCode::usage), HasSubstr("given twice"));
  EXPECT_THAT(refused(std::vector<std::string>(29, folder), ExitCode::usage), HasSubstr("1 to 28"));
}

TEST_F(HtmlReport, AFolderMayBeSeveralThings) {
  training("a", kMetrics);
  study("a", kStudy);
  const std::string html = page({evaluation("a", {1, 0})});
  for (const char* part : {"<h2>Study", "<h2>Training", "<h2>Evaluation"}) EXPECT_TRUE(holds(html, part));
}

}  // namespace
}  // namespace bt
