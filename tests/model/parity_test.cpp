// The decoder against transformers, on the models that make_hf_fixtures.py wrote.
#include <gtest/gtest.h>

#include <cstring>

#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "model_test_support.h"

namespace bt {
namespace {

using test::greatest_difference;

at::Tensor read(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  at::Tensor out = at::empty(entry->shape, entry->dtype == DType::i64 ? at::kLong : at::kFloat);
  if (out.numel() > 0) std::memcpy(out.mutable_data_ptr(), file.data(*entry).data(), out.nbytes());
  return out;
}

class Parity : public testing::TestWithParam<const char*> {
 protected:
  const std::string folder_ = std::string(BT_SOURCE_DIR "/tests/model/fixtures/") + GetParam();
  const SafetensorsFile expected_{folder_ + "/expected.safetensors"};
};

TEST_P(Parity, LogitsAndLogProbabilitiesInFp32) {
  const Backbone backbone = load_backbone(folder_, at::kFloat, false);
  for (const char* length : {"1", "37"}) {
    const at::Tensor ids = read(expected_, str("ids_", length));
    const at::Tensor found = test::whole_logits(backbone.decoder, ids),
                     wanted = read(expected_, str("logits_", length));
    EXPECT_GT(wanted.std().item<double>(), 0.5);  // not a comparison of nothing
    EXPECT_LT(greatest_difference(found, wanted), 1e-4);
    const at::Tensor next = ids.narrow(0, 1, ids.size(0) - 1).unsqueeze(1);
    const at::Tensor logprob = found.log_softmax(-1).narrow(0, 0, next.size(0)).gather(1, next).squeeze(1);
    EXPECT_LT(greatest_difference(logprob, read(expected_, str("logprob_", length))), 1e-4);
  }
}

TEST_P(Parity, GreedyTokens) {
  const Backbone backbone = load_backbone(folder_, at::kDouble, false);
  for (const char* length : {"1", "37"}) {
    at::Tensor text = read(expected_, str("ids_", length));
    const at::Tensor wanted = read(expected_, str("greedy_", length));
    const int64_t given = text.size(0);
    while (text.size(0) < given + wanted.size(0)) {
      text = at::cat({text, test::whole_logits(backbone.decoder, text).narrow(0, text.size(0) - 1, 1).argmax(-1)});
    }
    EXPECT_TRUE(at::equal(text.narrow(0, given, wanted.size(0)), wanted)) << text;
  }
}

// Rounding in bf16 differs with the order of sums; it must not differ by more than bf16 differs from fp32.
TEST_P(Parity, LogitsInBf16) {
  const Backbone backbone = load_backbone(folder_, at::kBFloat16, false);
  const at::Tensor found = test::whole_logits(backbone.decoder, read(expected_, "ids_37")).to(at::kFloat);
  const at::Tensor wanted = read(expected_, "bf16_logits_37"), exact = read(expected_, "logits_37");
  const auto deviation = [](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).square().mean().sqrt().item<double>();
  };
  EXPECT_GT(deviation(wanted, exact), 1e-3);
  EXPECT_LT(deviation(found, wanted), 1.5 * deviation(wanted, exact));
  EXPECT_LT(deviation(found, exact), 1.5 * deviation(wanted, exact));
}

// check_hf_loads.py compares these folders with the fixtures in transformers.
TEST_P(Parity, SavedAgainItGivesTheSameLogits) {
  const Backbone backbone = load_backbone(folder_, at::kFloat, false);
  const std::string saved = str(BT_BINARY_DIR "/saved_models/", GetParam());
  save_backbone(backbone, saved);
  const Backbone again = load_backbone(saved, at::kFloat, false);
  const at::Tensor ids = read(expected_, "ids_37");
  EXPECT_TRUE(at::equal(test::whole_logits(again.decoder, ids), test::whole_logits(backbone.decoder, ids)));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Parity,
                         testing::Values("llama_gqa", "llama_tied_llama3_rope", "llama_biases_sharded",
                                         "llama_dynamic_rope", "mistral_window", "qwen2_upper_window", "qwen3",
                                         "qwen3_tied_bias_transformers4", "gemma", "gemma2",
                                         "gemma2_untied_sharded_bf16", "smollm3", "smollm3_window_untied", "olmo2"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace bt
