// bt-eval and bt-generate as a user runs them: what they write, where, and their exit codes.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cmath>
#include <fstream>

#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/model/fingerprint.h"
#include "bt/text/json_lines.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out, err;
};

class BtEvalTest : public testing::EvalTest {
 protected:
  BtEvalTest() {
    save_backbone(testing::scripted_model("\n\\boxed{7}").backbone, path("model"));
    load_tokenizer("bytes")->save(path("model"));
    std::filesystem::create_directories(path("data/math"));
    write("data/math/test.jsonl",
          "{\"problem\": \"2+5\", \"solution\": \"\\\\boxed{7}\", \"type\": \"Algebra\"}\n"
          "{\"problem\": \"2+6\", \"solution\": \"\\\\boxed{8}\", \"type\": \"Algebra\"}\n");
  }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  void save_latent(const ModelConfig& config) const {
    BtOptions options = testing::tiny_bt();
    std::filesystem::create_directories(path("latent"));
    const auto method = make_method("bt", options, {config, at::TensorOptions(at::kFloat), 3});
    const Backbone backbone = load_backbone(path("model"), at::kFloat, false);
    save_method(
        path("latent"), *method, options,
        {path("model"), config, load_tokenizer("bytes")->fingerprint(), weights_fingerprint(*backbone.parameters)});
  }

  Outcome run(const std::string& arguments, const std::string& before = "true",
              const std::string& out = "out.txt") const {
    write("out.txt", "");
    const std::string command =
        str("cd '", path(""), "' && ", before, " && " BT_BINARY_DIR "/bin/", arguments, " >", out, " 2>err.txt");
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), read_file(path("out.txt")), read_file(path("err.txt"))};
  }
};

TEST_F(BtEvalTest, RunsATaskWithAMethod) {
  save_latent(read_model_config(path("model")));
  const Outcome done =
      run("bt-eval run --model model --latent latent --tasks math_sft --data data --out results --dtype float64 "
          "--device cpu");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("50.00 %"));
  EXPECT_THAT(done.out, HasSubstr("1.00 an answer; none after the prompt in 100.00 % of answers"));
  EXPECT_EQ(run("bt-eval compare results results").code, 0);
}

TEST_F(BtEvalTest, RefusesAMethodOfAnotherShape) {
  ModelConfig config = read_model_config(path("model"));
  config.layers += 1;
  config.window.push_back(0);
  save_latent(config);
  const Outcome refused = run("bt-eval run --model model --latent latent --tasks math_sft --data data --out results");
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(path("results")));
}

TEST_F(BtEvalTest, NamesTheNearestTask) {
  const Outcome refused = run("bt-eval run --model model --tasks math_stf --data data --out results");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("math_sft"));
}

TEST_F(BtEvalTest, MissingFilesAreExitThree) {
  EXPECT_EQ(run("bt-eval run --model model --tasks gsm8k_sft --data data --out results").code, 3);
  EXPECT_EQ(run("bt-eval run --model nowhere --tasks math_sft --data data --out results").code, 3);
  EXPECT_EQ(run("bt-eval score --model model --input nowhere.jsonl --output out.jsonl").code, 3);
  EXPECT_EQ(run("bt-generate --model model --input nowhere.jsonl").code, 3);
}

// The weights are broken: whoever opens them ends in 3.
TEST_F(BtEvalTest, WhatCouldNotBeWrittenIsRefusedBeforeTheModelIsOpened) {
  write("model/model.safetensors", "broken");
  write("file", "");
  write("in.jsonl", "{\"text\": \"ab\"}\n");
  ASSERT_EQ(run("bt-eval score --model model --input in.jsonl --output out.jsonl").code, 3);
  const std::string tasks = "bt-eval run --model model --tasks math_sft --data data --out ";
  for (const std::string& command :
       {tasks + "file", tasks + "file/results", std::string("bt-eval score --model model --input in.jsonl --output ."),
        std::string("bt-eval score --model model --input in.jsonl --output nowhere/out.jsonl"),
        std::string("bt-eval perplexity --model model --input in.jsonl --output file/out.json"),
        std::string("bt-eval probe --model model --input in.jsonl --output nowhere/out.json"),
        std::string("bt-generate --model model --prompt a --output nowhere/out.jsonl"),
        std::string("bt-generate --model model --prompt a --trace file")}) {
    const Outcome refused = run(command);
    EXPECT_EQ(refused.code, 6) << command << "\n" << refused.err;
  }
  EXPECT_EQ(run(tasks + "new/results").code, 3);
  EXPECT_FALSE(std::filesystem::exists(path("new"))) << "a question has made it";
}

TEST_F(BtEvalTest, NeitherStandardOutputNorTheFolderCostsTheOthersResults) {
  const std::string command = "bt-eval run --model model --tasks math_sft --data data --device cpu --out results";
  EXPECT_EQ(run(command, "true", "/dev/full").code, 6);
  EXPECT_EQ(run("bt-eval compare results results").code, 0) << "samples were written";
  EXPECT_EQ(run("bt-eval report results --out page.html").code, 0) << "and results";
  std::filesystem::remove_all(path("results"));
  std::filesystem::create_symlink("nowhere/else", path("results"));  // shows only when the folder is made
  const Outcome shown = run(command);
  EXPECT_EQ(shown.code, 6) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("50.00 %"));
}

TEST_F(BtEvalTest, NumbersThatAreNoneAreExitFour) {
  const InferenceModel broken = testing::scripted_model("ab");
  broken.decoder().head.fill_(std::nan(""));
  save_backbone(broken.backbone, path("broken"));
  load_tokenizer("bytes")->save(path("broken"));
  write("in.jsonl", "{\"text\": \"ab\"}\n");
  const std::string model = " --model broken --device cpu --input in.jsonl";
  for (const std::string& command : {"bt-eval perplexity --context 8 --stride 4 --output out.json" + model,
                                     "bt-eval score --output out.json" + model}) {
    const Outcome refused = run(command);
    EXPECT_EQ(refused.code, 4) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("in.jsonl"));
    EXPECT_EQ(refused.out, "");
    const bool is_score = command.starts_with("bt-eval score");  // whose other texts may be worth having
    EXPECT_EQ(std::filesystem::exists(path("out.json")), is_score);
  }
  EXPECT_EQ(run("bt-generate --model broken --device cpu --prompt a").code, 4);
  for (const char* help : {"bt-eval --help", "bt-generate --help"})
    EXPECT_THAT(run(help).out, HasSubstr("4 the model"));
}

TEST_F(BtEvalTest, ALineOfTwoSourcesIsRefused) {
  write("both.jsonl", "{\"prompt\": \"a\"}\n{\"ids\": [97], \"prompt\": \"a\"}\n");
  const Outcome refused = run("bt-generate --model model --device cpu --input both.jsonl");
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, ::testing::AllOf(HasSubstr("both.jsonl: object 2"), HasSubstr("either")));
}

TEST_F(BtEvalTest, ScoresLines) {
  write("in.jsonl", "{\"text\": \"abc\"}\n{\"ids\": [97, 98], \"note\": 1}\n");
  const Outcome done = run("bt-eval score --model model --input in.jsonl --output scored.jsonl --device cpu");
  ASSERT_EQ(done.code, 0) << done.err;
  const auto lines = read_json_lines(path("scored.jsonl"));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("ids", "").dump(), "[256,97,98,99]");
  EXPECT_EQ(lines[0].at("logprobs", "").as_array("").size(), 3u);
  EXPECT_EQ(lines[1].at("note", "").as_int(""), 1);
  EXPECT_TRUE(lines[1].contains("ppl"));
}

TEST_F(BtEvalTest, StreamsTheTextOfAPrompt) {
  const Outcome done = run("bt-generate --model model --dtype float64 --device cpu --prompt '2+5\n'");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "\\boxed{7}\n");
}

TEST_F(BtEvalTest, ContinuesLinesInTheirOrder) {
  write("in.jsonl", "{\"prompt\": \"a longer prompt\\n\", \"name\": \"x\"}\n{\"ids\": [10]}\n");
  save_latent(read_model_config(path("model")));
  const Outcome done =
      run("bt-generate --model model --latent latent --dtype float64 --device cpu --input in.jsonl --max-new-tokens 4 "
          "--trace trace");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out,
            "{\"prompt\":\"a longer prompt\\n\",\"name\":\"x\",\"completion\":\"\\\\box\",\"ids\":[92,98,111,120],"
            "\"finish_reason\":\"length\",\"boundaries\":[17]}\n"
            "{\"ids\":[92,98,111,120],\"prompt_ids\":[10],\"completion\":\"\\\\box\",\"finish_reason\":\"length\","
            "\"boundaries\":[1]}\n");
  EXPECT_EQ(read_json_lines(path("trace/trace.jsonl")).size(), 2u);
}

TEST_F(BtEvalTest, AnswersPromptsFromAPipe) {
  write("prompts.txt", "2+5\n\n\n1\n");  // empty lines are no prompts; the answer begins behind a newline
  write("model/config.resolved.yaml", "data:\n  train: [x.jsonl]\n  prompt: \"{question}\\n\"\n");
  const Outcome done =
      run("bt-generate --model model --dtype float64 --device cpu --interactive --stop 7 < prompts.txt");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "\\boxed{\n\\boxed{\n");
}

TEST_F(BtEvalTest, MemoryThatRunsOutIsExitFiveWithWhereItGoesAndWhatToChange) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs more addresses than this test allows";
#endif
  InferenceModel endless = testing::scripted_model("\n\\boxed{7}");
  endless.backbone.decoder.config.max_position = 1 << 20;  // bt-eval asks for no more than the model takes
  save_backbone(endless.backbone, path("model"));
  std::string prompts, problems;
  for (int i = 0; i < 256; ++i) {
    prompts += "{\"ids\": [10]}\n";
    problems += "{\"problem\": \"2+5\", \"solution\": \"\\\\boxed{7}\", \"type\": \"Algebra\"}\n";
  }
  write("in.jsonl", prompts);
  write("data/math/test.jsonl", problems);
  const std::string sizes = " --device cpu --threads 1 --batch-size 256 --max-new-tokens 1048576";
  for (const std::string& command : {"bt-generate --model model --input in.jsonl" + sizes,
                                     "bt-eval run --model model --tasks math_sft --data data --out results" + sizes}) {
    const Outcome refused = run(command, "ulimit -v 6291456");
    EXPECT_EQ(refused.code, 5) << refused.err;
    EXPECT_THAT(refused.err, ::testing::AllOf(HasSubstr("cpu, "), HasSubstr("weights "), HasSubstr("cache "),
                                              HasSubstr("for less cache: --batch-size, --max-new-tokens")));
  }
}

TEST_F(BtEvalTest, StopStringsAndTokensEndAnAnswer) {
  const Outcome text =
      run("bt-generate --model model --dtype float64 --device cpu --prompt '2+5\n' --stop 'xe,' --stop ed");
  EXPECT_EQ(text.out, "\\box\n") << text.err;
  const Outcome token =
      run("bt-generate --model model --dtype float64 --device cpu --prompt '2+5\n' --stop-token 1,120 --json");
  for (const char* beyond : {"259", "99999", "4294967309"}) {
    const Outcome refused = run(str("bt-generate --model model --device cpu --prompt a --stop-token ", beyond));
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("0 to 258"));
  }
  EXPECT_THAT(token.out, HasSubstr("\"completion\":\"\\\\bo\",\"ids\":[92,98,111],\"finish_reason\":\"stop\""));
}

TEST_F(BtEvalTest, MeasuresPerplexity) {
  write("text.txt", "\n\\boxed{7}");
  const Outcome done =
      run("bt-eval perplexity --model model --input text.txt --context 8 --stride 4 --output ppl.json --dtype float64 "
          "--device cpu");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("10 tokens scored of 10 bytes in 1 documents, 2 windows of 8 tokens, stride 4"));
  EXPECT_THAT(done.out, HasSubstr("BOS in front of a document, not scored"));
  const Json json = Json::parse_file(path("ppl.json"));
  EXPECT_LT(json.at("ppl", "").as_double(""), 20);
  EXPECT_EQ(json.at("tokens", "").as_int(""), 10);
  EXPECT_EQ(run("bt-eval perplexity --model model --input text.txt --context 8 --stride 8").code, 2);
  EXPECT_EQ(run("bt-eval perplexity --model model --input nowhere.txt").code, 3);
}

TEST_F(BtEvalTest, MeasuresPerplexityAfterLatents) {
  PauseOptions options;
  std::filesystem::create_directories(path("pause"));
  const Backbone backbone = load_backbone(path("model"), at::kFloat, false);
  const ModelConfig& config = backbone.decoder.config;
  const auto method = make_method("pause", options, {config, at::TensorOptions(at::kFloat), 3});
  save_method(
      path("pause"), *method, options,
      {path("model"), config, load_tokenizer("bytes")->fingerprint(), weights_fingerprint(*backbone.parameters)});
  write("text.txt", "\n\\boxed{7}");
  const std::string command = "bt-eval ahead --model model --input text.txt --context 16 --ahead 4 --device cpu";
  const Outcome done = run(command + " --latent pause --output ahead.json");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("4 latents of pause at 10 places of 1 texts"));
  const Json json = Json::parse_file(path("ahead.json"));
  EXPECT_EQ(json.at("positions", "").as_array("").size(), 4u);
  EXPECT_EQ(json.at("places", "").as_int(""), 10);
  EXPECT_EQ(run(command).code, 2) << "no method";
  EXPECT_EQ(run(command + " --latent nowhere").code, 3);
}

TEST_F(BtEvalTest, ProbesWhatAMethodRewrote) {
  save_latent(read_model_config(path("model")));
  std::string lines;
  for (const char* step : {"1", "2", "1", "2"})
    lines += str(R"({"prompt": "q\n", "text": ")", step, R"(\nend", "labels": {"step": [null, )", step, "]}}\n");
  write("labelled.jsonl", lines);
  const std::string command = "bt-eval probe --model model --input labelled.jsonl --device cpu --rows 2";
  const Outcome done = run(command + " --latent latent --output probes.json");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("most common"));
  const Json json = Json::parse_file(path("probes.json"));
  EXPECT_EQ(json.at("probes", "").as_array("")[0].at("calls", "").as_int(""), 4);
  EXPECT_EQ(json.at("method", "").as_string(""), "bt");
  EXPECT_EQ(run(command).code, 2) << "no method";
  write("labelled.jsonl", R"({"prompt": "q\n", "text": "1\nend", "labels": {"step": ["1", "2", "3"]}})");
  const Outcome refused = run(command + " --latent latent");
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("2 labels, one a call"));
}

TEST_F(BtEvalTest, AMethodOfOtherWeightsNeedsAnOverride) {
  save_latent(read_model_config(path("model")));
  save_backbone(testing::scripted_model("\n\\boxed{8}").backbone, path("model"));
  const std::string command = "bt-generate --model model --latent latent --device cpu --prompt '2+5\n'";
  const Outcome refused = run(command);
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("weights_sha256"));
  const Outcome allowed = run(command + " --allow-other-backbone");
  EXPECT_EQ(allowed.code, 0);
  EXPECT_THAT(allowed.err, HasSubstr("override"));
}

TEST_F(BtEvalTest, AControlOfARewriteIsNamedInTheResults) {
  save_latent(read_model_config(path("model")));
  const std::string command = "bt-eval run --model model --tasks math_sft --data data --out results --device cpu";
  const Outcome done = run(command + " --latent latent --rewrite-control random");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("control"));
  std::string results;
  for (const auto& file : std::filesystem::directory_iterator(path("results"))) {
    if (file.path().filename().string().starts_with("results_")) results = file.path().string();
  }
  const Json method = Json::parse_file(results).at("bt", "").at("method", "");
  EXPECT_EQ(method.at("rewrite_control", "").as_string(""), "random");
  EXPECT_EQ(run(command + " --rewrite-control random").code, 2) << "no method";
}

TEST_F(BtEvalTest, AnInterruptedGenerationEndsInGoodOrder) {
  const InferenceModel endless = testing::scripted_model("ab");
  endless.decoder().head['a'].copy_(endless.decoder().embedding['b']);
  endless.decoder().head[testing::kByteEos].zero_();
  save_backbone(endless.backbone, path("endless"));
  load_tokenizer("bytes")->save(path("endless"));
  write("interrupt.sh", BT_BINARY_DIR
        "/bin/bt-generate --model endless --device cpu --dtype float64 --threads 1 --prompt a "
        "--max-new-tokens 100000 > text.txt & pid=$!\n"
        "while [ ! -s text.txt ] && kill -0 $pid; do sleep 0.02; done; kill -INT $pid; wait $pid");
  const int status = std::system(("cd '" + path("") + "' && sh interrupt.sh 2>err.txt").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 130) << read_file(path("err.txt"));
  const std::string text = read_file(path("text.txt"));
  EXPECT_THAT(text, ::testing::StartsWith("ba"));
  EXPECT_THAT(text, ::testing::EndsWith("\n"));
}

}  // namespace
}  // namespace bt
