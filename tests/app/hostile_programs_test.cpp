// The programs given files made to harm (tests/hostile): a refusal with the code of its kind and one message, whatever
// the reader. tests/options/hostile_files_test.cpp has every file; here is at least one of each kind.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "bt/core/files.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct HostileCase {
  std::string name;
  std::string files;    // below tests/hostile: a file or a folder, copied to model/, or into it as `as`
  std::string as;       // "": a folder's files, into model/
  std::string command;  // HOSTILE stands for tests/hostile
  int code;
  std::string word;
};

const std::string kGenerate = "bt-generate --model model --device cpu --max-new-tokens 1 --prompt a ";
const std::string kScore = "bt-eval score --model model --device cpu --output out.jsonl --input ";
const std::string kTrain = "bt-train run.yaml ";

const std::vector<HostileCase>& cases() {
  static const std::vector<HostileCase> all = {
      {"Weights", "safetensors/shape_overflows.safetensors", "model.safetensors", kGenerate, 3, "too large"},
      {"WeightsCut", "safetensors/data_truncated.safetensors", "model.safetensors", kGenerate + "--load mmap", 3,
       "file truncated"},
      {"WeightsOfATrainingRun", "safetensors/name_twice.safetensors", "model.safetensors", kTrain, 3, "appears twice"},
      {"Index", "index/parent", "", kScore + "input.jsonl", 3, "plain file name"},
      {"Pickle", "index/pickle_only", "", kGenerate, 3, "never read"},
      {"Config", "config/layers_bomb", "", "bt-eval perplexity --model model --device cpu --input input.jsonl", 3,
       "num_hidden_layers"},
      {"TokenizerJson", "tokenizer/id_bomb", "", kGenerate, 3, "token id out of range"},
      {"SentencePiece", "tokenizer/sentencepiece_garbage", "", kGenerate, 3, "tokenizer.model"},
      {"ChatTemplate", "chat_template/runs_code", "", kGenerate + "--chat auto", 2, "chat template"},
      {"Method", "", "", kGenerate + "--latent HOSTILE/processor/garbage", 3, "processor_config.json"},
      {"Adapter", "", "", kGenerate + "--latent HOSTILE/adapter/rank_bomb", 3, "adapter_config.json"},
      {"Prompts", "", "", "bt-generate --model model --device cpu --input HOSTILE/json_lines/deep.jsonl", 3,
       "nested deeper"},
      {"Texts", "", "", kScore + "HOSTILE/json_lines/cut.jsonl", 3, "cut.jsonl:2"},
      {"TrainingData", "", "", kTrain + "'data.train=[HOSTILE/json_lines/zero_byte.jsonl]'", 3, "zero_byte.jsonl:1"},
      {"TokenizerTraining", "", "",
       "bt-data train-tokenizer --input HOSTILE/json_lines/zero_byte.jsonl --vocab-size 300 --out t", 3, "zero byte"},
      {"Checkpoint", "", "", kTrain + "--resume HOSTILE/checkpoint/crc_differs", 3, "state.json"},
      {"YamlBomb", "", "", "bt-train HOSTILE/yaml/alias_bomb.yaml", 2, "anchor"},
      {"YamlDeep", "", "", "bt-train HOSTILE/yaml/deep_flow.yaml", 2, "deep_flow.yaml:1"},
      {"YamlKey", "", "", "bt-data inspect HOSTILE/yaml/key_unknown.yaml", 2, "train.stesp"}};
  return all;
}

class HostileProgramsTest : public testing::EvalTest {
 protected:
  HostileProgramsTest() {
    save_backbone(testing::scripted_model("ab").backbone, path("model"));
    load_tokenizer("bytes")->save(path("model"));
    write("input.jsonl", "{\"text\": \"ab\"}\n");
    write("train.jsonl", "{\"question\": \"a\", \"answer\": \"b\"}\n");
    write("run.yaml",
          "run: {out: run, device: cpu}\nmodel: {path: model}\ndata: {train: [train.jsonl]}\ntrain: {steps: 1}\n");
  }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  // What the case puts into the model's folder takes the place of its like.
  void place(const HostileCase& c) const {
    if (c.files.empty()) return;
    const fs::path from = hostile() + "/" + c.files;
    const auto overwrite = fs::copy_options::overwrite_existing;
    if (!c.as.empty()) {
      fs::copy_file(from, path("model/") + c.as, overwrite);
      return;
    }
    if (c.files.starts_with("index/")) fs::remove(path("model/model.safetensors"));
    for (const auto& entry : fs::directory_iterator(from))
      fs::copy_file(entry.path(), fs::path(path("model")) / entry.path().filename(), overwrite);
  }

  void expect_refusal(std::string command, int code, const std::string& word) const {
    for (size_t at; (at = command.find("HOSTILE")) != std::string::npos;) command.replace(at, 7, hostile());
    const std::string program = command.substr(0, command.find(' '));
    const int status =
        std::system(("cd '" + path("") + "' && " BT_BINARY_DIR "/bin/" + command + " >out.txt 2>err.txt").c_str());
    const std::string message = read_file(path("err.txt"));
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code) << message;
    EXPECT_THAT(message, HasSubstr(word));
    EXPECT_EQ(lines_of(message, program + ": "), 1) << message;
    const size_t begin = std::min(message.find(program + ": "), message.size());  // behind what was reported before
    EXPECT_EQ(lines_of(message.substr(begin), ""), 1 + lines_of(message.substr(begin), "  ")) << message;
  }

 private:
  static std::string hostile() { return BT_SOURCE_DIR "/tests/hostile"; }
  static int lines_of(const std::string& text, const std::string& beginning) {
    std::istringstream lines(text);
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line.starts_with(beginning) ? 1 : 0;
    return count;
  }
};

class HostileProgramTest : public HostileProgramsTest, public ::testing::WithParamInterface<HostileCase> {};
INSTANTIATE_TEST_SUITE_P(Kinds, HostileProgramTest, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

TEST_P(HostileProgramTest, RefusesItInOneMessage) {
  place(GetParam());
  expect_refusal(GetParam().command, GetParam().code, GetParam().word);
}

// Both would end in exhausted memory if anything were allocated by what a file claims.
TEST_F(HostileProgramsTest, AModelThatClaimsATerabyteIsComparedBeforeItIsAllocated) {
  const std::string config = read_file(path("model/config.json"));
  const size_t at = config.find("259");
  ASSERT_NE(at, std::string::npos);
  write("model/config.json", std::string(config).replace(at, 3, "1048576"));
  expect_refusal(kGenerate, 3, "shape");
  write("model/config.json", config);
  const std::string header = R"({"model.embed_tokens.weight":{"dtype":"F32","shape":[274877906944],)"
                             R"("data_offsets":[0,1099511627776]}})";
  write("model/model.safetensors", std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header);
  fs::resize_file(path("model/model.safetensors"), 8 + header.size() + 1099511627776);
  expect_refusal(kGenerate, 3, "lack tensors");
}

}  // namespace
}  // namespace bt
