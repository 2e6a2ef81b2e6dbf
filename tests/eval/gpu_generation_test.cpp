// Answers on a GPU, from a model's folder on: in fp32 the CPU's tokens, and in bf16, where the attention kernels work,
// the same in every run.
#include <algorithm>

#include "bt/eval/generation.h"
#include "bt/latent/saved_method.h"
#include "bt/model/fingerprint.h"
#include "eval/eval_test_support.h"
#include "ops/gpu_test_support.h"

namespace bt {
namespace {

class GpuGeneration : public testing::EvalTest {
 protected:
  void SetUp() override {
    testing::skip_without_kernels();
    if (IsSkipped()) return;
    ModelConfig config = testing::byte_config();
    config.hidden_size = 256;  // heads of a width that the kernels take
    config.head_dim = 64;
    const Backbone backbone = testing::tiny_backbone(config, false, at::kFloat);
    save_backbone(backbone, path("model"));
    load_tokenizer("bytes")->save(path("model"));
    std::filesystem::create_directories(path("latent"));
    BtOptions options = testing::tiny_bt();
    options.trigger.kind = "every_n";
    options.trigger.every_n = 6;
    const auto method = make_method("bt", options, {config, at::TensorOptions(at::kFloat), 3});
    save_method(
        path("latent"), *method, options,
        {path("model"), config, load_tokenizer("bytes")->fingerprint(), weights_fingerprint(*backbone.parameters)});
  }

  // Of more prompts than slots, so that slots are refilled.
  std::vector<std::vector<int32_t>> answers(const std::string& device, const std::string& dtype, bool with_method,
                                            double temperature = 0) const {
    const InferenceModel model = open_inference_model(
        {.model = path("model"), .latent = with_method ? path("latent") : "", .device = device, .dtype = dtype});
    std::vector<GenerationRequest> requests;
    for (uint64_t id = 0; id < 7; ++id)
      requests.push_back({id, model.encode(std::string(3 + 5 * id, static_cast<char>('a' + id))), 40});
    std::vector<std::vector<int32_t>> ids;
    for (const Completion& one : generate(model, requests, {.slots = 3, .sampling = {.temperature = temperature}}))
      ids.push_back(one.ids);
    return ids;
  }
};

TEST_F(GpuGeneration, GreedyAnswersAreThoseOfTheCpu) {
  for (const bool with_method : {false, true})
    EXPECT_EQ(answers("cuda", "float32", with_method), answers("cpu", "float32", with_method)) << with_method;
}

TEST_F(GpuGeneration, SampledAnswersAreThoseOfTheCpu) {
  EXPECT_EQ(answers("cuda", "float32", true, 0.8), answers("cpu", "float32", true, 0.8));
}

TEST_F(GpuGeneration, IsTheSameInEveryRun) {
  for (const char* dtype : {"float32", "bfloat16"})
    EXPECT_EQ(answers("cuda", dtype, true), answers("cuda", dtype, true)) << dtype;
}

TEST_F(GpuGeneration, TheMethodMattersToTheAnswers) {  // or the tests above would compare answers without it
  EXPECT_NE(answers("cuda", "float32", true), answers("cuda", "float32", false));
}

}  // namespace
}  // namespace bt
