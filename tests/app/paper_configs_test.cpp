// configs/paper against config.json files of the true shapes, without weights: what --dry-run says.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>

#include "bt/core/files.h"
#include "train/train_test_support.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Backbone {
  const char* name;
  int64_t parameters;  // as the model cards' safetensors files count them
};

class PaperConfigsTest : public TrainTest {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    std::ofstream(path("data.jsonl"))
        << R"({"problem": "1 + 1?", "generated_solution": "One and one.\n2", "text": "Two."})"
        << "\n";
  }

  // What --dry-run prints, the config's stage named "sft", "bt" or "dca".
  std::string dry_run(const std::string& stage, const std::string& name) const {
    const std::string command =
        str("cd '", path(""), "' && " BT_BINARY_DIR "/bin/bt-train " BT_SOURCE_DIR "/configs/paper/", stage, "_", name,
            ".yaml --dry-run model.path=" BT_SOURCE_DIR "/tests/app/fixtures/", name,
            " model.tokenizer=bytes 'data.train=[data.jsonl]' 'data.validation=[data.jsonl]' >out.txt 2>&1");
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(path("out.txt"));
    return read_file(path("out.txt"));
  }
};

::testing::Matcher<std::string> names_classes() {
  return AllOf(HasSubstr("weights "), HasSubstr("gradients "), HasSubstr("optimiser "), HasSubstr("activations "),
               HasSubstr("logits "));
}

void expect_no_weights_in_memory() {
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  EXPECT_LT(children.ru_maxrss, 1 << 20) << "KiB: no weight takes memory";
}

TEST_F(PaperConfigsTest, ACoprocessorIsADecoderWithoutItsEmbedding) {
  constexpr int64_t gemma = 2'614'341'888, embedding = int64_t{256'000} * 2'304, soft_tokens = 32 * 2'304;
  const std::string dca = dry_run("dca", "gemma2_2b");
  EXPECT_THAT(dca, AllOf(HasSubstr(str("backbone    ", gemma, " parameters")), HasSubstr("frozen"),
                         HasSubstr(str("trained     ", gemma - embedding + soft_tokens + 1, " parameters")),
                         names_classes(), HasSubstr("cache ")));
  expect_no_weights_in_memory();
}

class PaperConfigs : public PaperConfigsTest, public ::testing::WithParamInterface<Backbone> {};

TEST_P(PaperConfigs, AreDescribedWithoutWeights) {
  const int64_t parameters = GetParam().parameters;
  const auto classes = names_classes();  // plain fine-tuning has no cache
  const std::string sft = dry_run("sft", GetParam().name), bt = dry_run("bt", GetParam().name);
  EXPECT_THAT(sft, AllOf(HasSubstr(str("trained     ", parameters, " parameters")), classes));
  EXPECT_THAT(bt, AllOf(HasSubstr(str("backbone    ", parameters, " parameters")), HasSubstr("frozen"), classes,
                        HasSubstr("cache ")));
  expect_no_weights_in_memory();
}

INSTANTIATE_TEST_SUITE_P(Backbones, PaperConfigs,
                         ::testing::Values(Backbone{"llama3_2_1b", 1'235'814'400},
                                           Backbone{"llama3_2_3b", 3'212'749'824},
                                           Backbone{"llama3_1_8b", 8'030'261'248}, Backbone{"qwen3_0_6b", 596'049'920}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace bt
