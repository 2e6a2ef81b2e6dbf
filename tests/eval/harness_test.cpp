#include "bt/eval/harness.h"

#include <fstream>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/eval/report.h"
#include "bt/text/json_lines.h"
#include "bt/text/sample_comparison.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using testing::scripted_model;

class HarnessTest : public testing::EvalTest {
 protected:
  // MATH problems whose answers are given; a scripted model always says the same.
  HarnessOptions math(const std::vector<std::string>& answers) const {
    std::vector<Json> documents;
    for (size_t i = 0; i < answers.size(); ++i) {
      documents.push_back(Json::object({{"problem", std::string(3 * (i * 5 % 7) + 1, 'x')},
                                        {"solution", "So \\boxed{" + answers[i] + "}"},
                                        {"type", "Algebra"},
                                        {"level", "Level 1"}}));
    }
    return write("math", documents);
  }
  HarnessOptions gsm8k(const std::string& answer) const {
    return write("gsm8k", {Json::object({{"question", "one?"}, {"answer", answer}})});
  }
  HarnessOptions write(const std::string& set, const std::vector<Json>& documents) const {
    std::filesystem::create_directories(path("data/" + set));
    std::ofstream(path("data/" + set + "/test.jsonl")) << dump_json_lines(documents);
    HarnessOptions options;
    options.data = path("data");
    return options;
  }
  static InferenceModel says_seven() {
    InferenceModel model = scripted_model("\n\\boxed{7}");
    model.training->prompt_template = "{problem}\n";
    return model;
  }
};

TEST_F(HarnessTest, GradesAnswersInTheDocumentsOrder) {
  const InferenceModel model = says_seven();
  const TaskResult result = evaluate_task(model, find_task("math_sft"), math({"7", "8", "7", "7", "9"}));
  ASSERT_EQ(result.samples.size(), 5u);
  std::vector<int> scores;
  for (const Sample& sample : result.samples) {
    scores.push_back(sample.grades.at(0).score);
    EXPECT_EQ(sample.completion.text, "\\boxed{7}");
  }
  EXPECT_EQ(scores, (std::vector<int>{1, 0, 1, 1, 0}));
  EXPECT_EQ(result.scores().at(0).right, 3);
  EXPECT_DOUBLE_EQ(result.scores().at(0).accuracy(), 0.6);
  EXPECT_NEAR(result.scores().at(0).standard_error(), std::sqrt(0.6 * 0.4 / 4), 1e-12);
  EXPECT_EQ(result.truncated_answers(), 0);
}

TEST_F(HarnessTest, DoesNotDependOnTheBatchSize) {
  InferenceModel model = testing::random_model();
  model.training->prompt_template = "{problem}\n";
  testing::add_bt(model);
  HarnessOptions options = math({"1", "2", "3", "4", "5", "6", "7", "8", "9"});
  options.max_new_tokens = 12;
  options.batch_size = 1;
  const std::string alone = samples_jsonl(evaluate_task(model, find_task("math_sft"), options));
  for (const int64_t batch_size : {3, 8}) {
    options.batch_size = batch_size;
    EXPECT_EQ(samples_jsonl(evaluate_task(model, find_task("math_sft"), options)), alone) << batch_size;
  }
}

TEST_F(HarnessTest, CountsCallsAndTruncatedAnswers) {
  InferenceModel model = scripted_model("?a\nbc");
  model.training->prompt_template = "{question}";
  testing::add_bt(model, {});
  HarnessOptions options = gsm8k("#### 1");
  const TaskResult whole = evaluate_task(model, find_task("gsm8k_sft"), options);
  EXPECT_DOUBLE_EQ(whole.calls_per_answer(), 2);
  EXPECT_DOUBLE_EQ(whole.share_without_call(), 0);
  EXPECT_EQ(whole.truncated_answers(), 0);
  options.max_new_tokens = 1;
  const TaskResult cut = evaluate_task(model, find_task("gsm8k_sft"), options);
  EXPECT_DOUBLE_EQ(cut.calls_per_answer(), 1);
  EXPECT_DOUBLE_EQ(cut.share_without_call(), 1);
  EXPECT_EQ(cut.truncated_answers(), 1);
}

TEST_F(HarnessTest, AsksInTheWordsOfTheTraining) {
  InferenceModel model = scripted_model("?a\nb");
  model.training->prompt_template = "Q {question}";
  HarnessOptions options = gsm8k("a\nb");
  TaskResult result = evaluate_task(model, find_task("gsm8k_sft"), options);
  EXPECT_EQ(result.samples[0].prompt.text, "Q one?");
  options.prompt_template = "{question}?";
  EXPECT_EQ(evaluate_task(model, find_task("gsm8k_sft"), options).samples[0].prompt.text, "one??");
}

TEST_F(HarnessTest, KeepsTheEndOfAPromptThatDoesNotFit) {
  InferenceModel model = scripted_model("?ab");
  model.backbone.decoder.config.max_position = 12;
  HarnessOptions options = gsm8k("#### 1");
  options.prompt_template = "a very long way to ask {question}";
  const TaskResult result = evaluate_task(model, find_task("gsm8k_sft"), options);
  EXPECT_EQ(result.cut_prompts(), 1);
  EXPECT_EQ(result.samples[0].prompt_tokens, 6);
  EXPECT_EQ(result.samples[0].completion.text, "ab");
}

TEST_F(HarnessTest, StopsWhereTheTaskSays) {
  Task task = find_task("hendrycks_math");  // its prompt ends in "Answer:"
  task.stop = {"cd"};
  const InferenceModel model = scripted_model(":$7bcdef");
  const TaskResult result = evaluate_task(model, task, math({"7"}));
  EXPECT_EQ(result.samples[0].completion.text, "$7b");
  EXPECT_EQ(result.samples[0].completion.finish, FinishReason::stop);
  EXPECT_EQ(result.max_new_tokens, 256);
}

TEST_F(HarnessTest, WritesTheHarnessesKeys) {
  InferenceModel model = says_seven();
  testing::add_bt(model, {});
  EvaluationRun run;
  run.model = &model;
  run.options = math({"7", "8", "7"});
  run.options.limit = 2;
  run.start_time = 1.7e9;
  run.started = file_time(run.start_time);
  const std::vector<TaskResult> results = {evaluate_task(model, find_task("math_sft"), run.options)};
  write_samples(path("out"), run, results[0]);
  const Json json = Json::parse_file(write_results(path("out"), run, results));
  for (const char* key :
       {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config", "git_hash", "date",
        "pretty_env_info", "chat_template_sha", "task_hashes", "max_length", "total_evaluation_time_seconds", "bt"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  const Json& scores = json.at("results", "").at("math_sft", "");
  EXPECT_DOUBLE_EQ(scores.at("exact_match,boxed", "").as_double(""), 0.5);
  EXPECT_DOUBLE_EQ(scores.at("exact_match_stderr,boxed", "").as_double(""), 0.5);
  EXPECT_DOUBLE_EQ(scores.at("bt", "").at("calls_per_answer", "").as_double(""), 1);
  const Json& counts = json.at("n-samples", "").at("math_sft", "");
  EXPECT_EQ(counts.at("original", "").as_int(""), 3);
  EXPECT_EQ(counts.at("effective", "").as_int(""), 2);
  EXPECT_EQ(json.at("bt", "").at("method", "").at("name", "").as_string(""), "bt");

  const std::vector<Json> lines = read_json_lines(path("out/samples_math_sft_" + run.started + ".jsonl"));
  ASSERT_EQ(lines.size(), 2u);
  for (const char* key : {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
                          "exact_match", "doc_hash", "prompt_hash", "target_hash"}) {
    EXPECT_TRUE(lines[0].contains(key)) << key;
  }
  EXPECT_EQ(lines[0].at("filtered_resps", "").dump(), R"(["7"])");
  EXPECT_EQ(lines[0].at("prompt_hash", "").as_string(""), sha256_hex("x\n"));
}

TEST_F(HarnessTest, WritesSamplesThatCanBeCompared) {
  const InferenceModel model = says_seven();
  EvaluationRun run;
  run.model = &model;
  run.options = math({"7", "8", "7", "9"});
  run.started = "2026-01-31T10-00-00.000001";
  write_samples(path("a"), run, evaluate_task(model, find_task("math_sft"), run.options));
  const InferenceModel other = scripted_model("\n\\boxed{8}");
  other.training->prompt_template = "{problem}\n";
  run.model = &other;
  write_samples(path("b"), run, evaluate_task(other, find_task("math_sft"), run.options));
  const auto comparisons = compare_samples(path("a"), path("b"), {});
  ASSERT_EQ(comparisons.size(), 1u);
  EXPECT_EQ(comparisons[0].task, "math_sft");
  EXPECT_EQ(comparisons[0].mcnemar.only_a, 2);
  EXPECT_EQ(comparisons[0].mcnemar.only_b, 1);
  EXPECT_DOUBLE_EQ(comparisons[0].difference.difference, -0.25);
}

TEST_F(HarnessTest, PrintsWhatANumberDependsOn) {
  const InferenceModel model = says_seven();
  EvaluationRun run;
  run.model = &model;
  run.options = math({"7", "8"});
  const std::string table =
      task_table(model, evaluate_task(model, find_task("math_sft"), run.options)) + circumstances(run);
  for (const char* part : {"math_sft  2 of 2 documents", "last \\boxed{}", "50.00 %", "float64", "batch size 16",
                           "truncated", "tokens/s"}) {
    EXPECT_NE(table.find(part), std::string::npos) << part << "\n" << table;
  }
}

TEST_F(HarnessTest, AsksTheTasksQuestionWhateverItWasCalledInTraining) {
  const InferenceModel model = scripted_model("?a");  // trained on {question}
  const TaskResult result = evaluate_task(model, find_task("math_sft"), math({"7"}));
  EXPECT_EQ(result.prompt_template, "{problem}\n");
  EXPECT_EQ(result.samples.size(), 1u);
}

TEST_F(HarnessTest, AGoldThatCannotBeGradedIsRefusedBeforeAnythingIsGenerated) {
  const InferenceModel model = scripted_model("?a");  // whose answers have no box
  HarnessOptions options = math({"7"});
  std::ofstream(path("data/math/test.jsonl"), std::ios::app) << "{\"problem\": \"2+2\", \"solution\": \"4\"}\n";
  try {
    evaluate_task(model, find_task("math_sft"), options);
    ADD_FAILURE() << "a solution without a box was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_NE(error.problem().where.find("math_sft, document 1"), std::string::npos) << error.what();
  }
  options.limit = 1;
  EXPECT_EQ(evaluate_task(model, find_task("math_sft"), options).samples.size(), 1u);
}

TEST_F(HarnessTest, NamesTheTemplateThatDoesNotFitTheTask) {
  const InferenceModel model = scripted_model("?a");
  model.training->prompt_template = "{question} {hint}\n";
  try {
    evaluate_task(model, find_task("math_sft"), math({"7"}));
    FAIL() << "a template of other data was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("question"), std::string::npos);
  }
}

TEST(FileTime, SortsAsTextAndHasNoUnderscore) {
  EXPECT_LT(file_time(1.7e9), file_time(1.7e9 + 0.5));
  EXPECT_EQ(file_time(1.7e9).find('_'), std::string::npos);
}

}  // namespace
}  // namespace bt
