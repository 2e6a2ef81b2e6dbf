// --load and model.load of the programs: every mode gives the same answers.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <fstream>

#include "bt/core/files.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

class LoadModesTest : public testing::EvalTest {
 protected:
  LoadModesTest() {
    save_backbone(testing::scripted_model("zabc").backbone, path("model"));
    load_tokenizer("bytes")->save(path("model"));
    std::ofstream(path("data.jsonl")) << "{\"question\": \"a\", \"answer\": \"b\"}\n";
  }
  int run(const std::string& arguments) const {
    const std::string command = "cd '" + path("") + "' && " BT_BINARY_DIR "/bin/" + arguments + " >out.txt 2>err.txt";
    return WEXITSTATUS(std::system(command.c_str()));
  }
  std::string out() const { return read_file(path("out.txt")); }
  std::string err() const { return read_file(path("err.txt")); }
};

TEST_F(LoadModesTest, OfGeneration) {
  for (const char* mode : {"mmap", "read"}) {
    ASSERT_EQ(run(std::string("bt-generate --model model --device cpu --prompt z --load ") + mode), 0) << err();
    EXPECT_THAT(out(), HasSubstr("abc"));
  }
  EXPECT_EQ(run("bt-generate --model model --prompt a --load pread"), 2);
  EXPECT_THAT(err(), HasSubstr("--load"));
}

TEST_F(LoadModesTest, OfTraining) {
  std::ofstream(path("run.yaml")) << "run: {out: run, device: cpu}\nmodel: {path: model, load: mmap}\n"
                                     "data: {train: [data.jsonl]}\ntrain: {steps: 1, batch_size: 1}\n";
  ASSERT_EQ(run("bt-train run.yaml"), 0) << err();
  ASSERT_EQ(run("bt-train run.yaml model.load=read run.out=again"), 0) << err();
  EXPECT_EQ(read_file(path("run/final/model.safetensors")), read_file(path("again/final/model.safetensors")));
  EXPECT_EQ(run("bt-train run.yaml model.load=read"), 0) << "resumes";
  EXPECT_EQ(run("bt-train run.yaml model.load=slow"), 2);
}

TEST_F(LoadModesTest, AreMeasured) {
  ASSERT_EQ(run("bt-bench load --model model --repetitions 1 --json load.json"), 0) << err();
  for (const char* part : {"memcpy into new memory", "mmap into bfloat16", "read into float32", "peak memory"})
    EXPECT_THAT(out(), HasSubstr(part));
  EXPECT_GT(Json::parse_file(path("load.json")).at("file_bytes", "").as_int(""), 0);
  EXPECT_EQ(run("bt-bench load --model absent"), 3);
}

}  // namespace
}  // namespace bt
