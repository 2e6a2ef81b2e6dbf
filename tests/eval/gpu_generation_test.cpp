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
    config.model_type = "mistral";
    config.window.assign(static_cast<size_t>(config.layers), 24);  // less than an answer
    const Backbone backbone = testing::tiny_backbone(config, false, at::kFloat);
    save_backbone(backbone, path("model"));
    load_tokenizer("bytes")->save(path("model"));
    save("bt", testing::tiny_bt(), backbone);
    DcaOptions late;
    late.latents = 2;
    late.asynchronous = true;
    late.join_after = 2;
    save("dca", late, backbone);
  }

  template <class MethodOptions>
  void save(const std::string& name, MethodOptions options, const Backbone& backbone) const {
    options.trigger.kind = "every_n";
    options.trigger.every_n = 6;
    const ModelConfig& config = backbone.decoder.config;
    const auto method = make_method(name, options, {config, at::TensorOptions(at::kFloat), 3});
    method->start_from(backbone.decoder);
    std::filesystem::create_directories(path(name));
    save_method(
        path(name), *method, options,
        {path("model"), config, load_tokenizer("bytes")->fingerprint(), weights_fingerprint(*backbone.parameters)});
  }

  // Of more prompts than slots, so that slots are refilled.
  std::vector<std::vector<int32_t>> answers(const std::string& device, const std::string& dtype,
                                            const std::string& method, double temperature = 0) const {
    const InferenceModel model = open_inference_model(
        {.model = path("model"), .latent = method.empty() ? "" : path(method), .device = device, .dtype = dtype});
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
  for (const char* method : {"", "bt", "dca"})
    EXPECT_EQ(answers("cuda", "float32", method), answers("cpu", "float32", method)) << method;
}

TEST_F(GpuGeneration, SampledAnswersAreThoseOfTheCpu) {
  EXPECT_EQ(answers("cuda", "float32", "bt", 0.8), answers("cpu", "float32", "bt", 0.8));
}

TEST_F(GpuGeneration, IsTheSameInEveryRun) {
  for (const char* dtype : {"float32", "bfloat16"})
    EXPECT_EQ(answers("cuda", dtype, "bt"), answers("cuda", dtype, "bt")) << dtype;
}

TEST_F(GpuGeneration, TheMethodMattersToTheAnswers) {  // or the tests above would compare answers without it
  EXPECT_NE(answers("cuda", "float32", "bt"), answers("cuda", "float32", ""));
}

}  // namespace
}  // namespace bt
