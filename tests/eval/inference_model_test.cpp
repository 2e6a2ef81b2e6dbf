#include "bt/eval/inference_model.h"

#include <fstream>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/model/fingerprint.h"
#include "eval/eval_test_support.h"

namespace bt {
namespace {

class InferenceModelTest : public testing::EvalTest {
 protected:
  InferenceModelTest() { save("model", testing::byte_config()); }

  void save(const std::string& name, const ModelConfig& config) const {
    save_backbone(testing::tiny_backbone(config, false, at::kFloat), path(name));
    load_tokenizer("bytes")->save(path(name));
  }
  // A method trained on the model of that name.
  void save_latent(const std::string& name, const std::string& model, const std::string& method,
                   Options& options) const {
    std::filesystem::create_directories(path(name));
    const Backbone backbone = load_backbone(path(model), at::kFloat, false);
    const ModelConfig& config = backbone.decoder.config;
    const auto made = make_method(method, options, {config, at::TensorOptions(at::kFloat), 3});
    save_method(
        path(name), *made, options,
        {path(model), config, load_tokenizer("bytes")->fingerprint(), weights_fingerprint(*backbone.parameters)});
  }
  InferenceModel open(const std::string& latent = "", const std::string& dtype = "float32") const {
    return open_inference_model(
        {.model = path("model"), .latent = latent.empty() ? "" : path(latent), .device = "cpu", .dtype = dtype});
  }
};

TEST_F(InferenceModelTest, OpensAFolderWithItsMethod) {
  BtOptions options = testing::tiny_bt();
  options.rewrite_at = "before_newline";
  save_latent("latent", "model", "bt", options);
  const InferenceModel model = open("latent", "float64");
  EXPECT_EQ(model.method()->name(), "bt");
  EXPECT_TRUE(model.trigger.before_boundary_token);
  EXPECT_EQ(model.eos_ids, (std::vector<int32_t>{testing::kByteEos}));
  EXPECT_EQ(model.dtype_name(), "float64");
  EXPECT_EQ(model.device_name(), "cpu");
  EXPECT_EQ(model.training, nullptr);
}

TEST_F(InferenceModelTest, ReadsWeightsInTheModeAsked) {
  const auto weights = [&](const std::string& load) {
    return open_inference_model({.model = path("model"), .load = load, .device = "cpu"}).backbone.parameters->flat();
  };
  EXPECT_TRUE(at::equal(weights("mmap"), weights("read")));
  EXPECT_THROW(weights("other"), std::logic_error);  // the programs' flags let no other name through
}

TEST_F(InferenceModelTest, RefusesAMethodOfAnotherBackbone) {
  ModelConfig wider = testing::byte_config();
  wider.kv_heads = 4;
  save("wider", wider);
  BtOptions options = testing::tiny_bt();
  save_latent("latent", "wider", "bt", options);
  try {
    open("latent");
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
  }
}

// Its sizes are compared with its tensors before terabytes are asked for.
TEST_F(InferenceModelTest, RefusesAMethodWhoseConfigAsksForMoreThanItsFileHolds) {
  BtOptions options = testing::tiny_bt();
  save_latent("latent", "model", "bt", options);
  const std::string file = path("latent/processor_config.json");
  std::string config = read_file(file);
  const size_t at = config.find("\"feed_forward\": 20");
  ASSERT_NE(at, std::string::npos);
  for (const char* size : {"1000000000000", "1000000000000000000"}) {
    std::string changed = config;
    std::ofstream(file) << changed.replace(at, 18, std::string("\"feed_forward\": ") + size);
    try {
      open("latent");
      FAIL() << "it was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_file) << error.what();
    }
  }
}

TEST_F(InferenceModelTest, AdaptersNeverFire) {
  LoraOptions options;
  save_latent("latent", "model", "lora", options);
  const InferenceModel model = open("latent");
  EXPECT_EQ(model.trigger.kind, "none");
  EXPECT_FALSE(model.trigger.at_prompt_end);
}

TEST_F(InferenceModelTest, TakesTheTextFormFromTheTrainingRun) {
  EXPECT_EQ(open().encode("a"), (std::vector<int32_t>{256, 'a'})) << "as the tokenizer's files say";
  std::ofstream(path("model/config.resolved.yaml"))
      << "data:\n  train: [x.jsonl]\n  prompt: \"Ask {question}\"\n  add_bos: false\n";
  const InferenceModel model = open();
  ASSERT_NE(model.training, nullptr);
  EXPECT_EQ(model.training->prompt_template, "Ask {question}");
  EXPECT_EQ(model.encode("a"), (std::vector<int32_t>{'a'}));
  BtOptions options = testing::tiny_bt();
  save_latent("latent", "model", "bt", options);
  std::ofstream(path("latent/config.resolved.yaml"))
      << "data:\n  train: [x.jsonl]\n  prompt: \"Now {question}\"\n  add_bos: true\n";
  const InferenceModel with_method = open("latent");
  EXPECT_EQ(with_method.training->prompt_template, "Now {question}");
  EXPECT_EQ(with_method.encode("a"), (std::vector<int32_t>{256, 'a'}));
}

TEST_F(InferenceModelTest, ATokenizerMayHaveTokensThatNoTextUses) {
  ModelConfig config = testing::byte_config();
  config.vocab_size = 128;
  config.eos_ids = {};
  save("model", config);
  std::ofstream(path("model/config.resolved.yaml")) << "data:\n  train: [x.jsonl]\n  add_bos: false\n";
  const InferenceModel model = open();
  EXPECT_EQ(model.encode("a"), (std::vector<int32_t>{'a'}));
  EXPECT_THROW(model.encode("\xC3\xA9"), Error);
}

TEST_F(InferenceModelTest, SpeaksInAChatTemplateWhoseMarksAreTokens) {
  const auto open_chat = [&](const ChatForm& chat) {
    return open_inference_model({.model = path("model"), .chat = chat, .device = "cpu"});
  };
  const InferenceModel model = open_chat({"olmo2", "Be brief."});
  EXPECT_EQ(model.tokenizer->decode(model.encode_prompt("Hi")),
            "<s><|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\n");
  EXPECT_EQ(open().encode_prompt("Hi"), open().encode("Hi"));
  EXPECT_THROW(open_chat({"chatml"}), Error) << "bytes have no <|im_start|>";
  EXPECT_THROW(open_chat({"auto"}), Error) << "the folder has no template";
}

TEST_F(InferenceModelTest, RefusesABrokenRunConfigAsABadFile) {
  std::ofstream(path("model/config.resolved.yaml")) << "data:\n  promt: x\n";
  try {
    open();
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_NE(std::string(error.what()).find("promt"), std::string::npos);
  }
}

TEST_F(InferenceModelTest, BoundsTheRowsOfLatents) {
  PauseOptions options;
  options.count = 3;
  save_latent("latent", "model", "pause", options);
  EXPECT_EQ(open("latent").latent_rows(50, 10), 3 * 11);
  AppendRowsOptions appending;
  appending.rows.recent = 6;
  appending.rows.recall = 5;
  appending.width = appending.feed_forward = appending.heads = 2;
  appending.processor_rope = false;
  appending.trigger.max_calls = 4;
  save_latent("appending", "model", "append_rows", appending);
  EXPECT_EQ(open("appending").latent_rows(50, 10), 4 * (6 + 5));
  EXPECT_EQ(open().latent_rows(50, 10), 0);
}

}  // namespace
}  // namespace bt
