// Latents that join decoding later than they were asked for.
#include "runtime/decoded_scores.h"

namespace bt {
namespace {

using testing::DecodingCase, testing::expect_close;

// A coprocessor called at the prompt's end whose latents join later.
class LateLatents : public testing::DecodedScores {
 protected:
  void SetUp() override {
    DecodedScores::SetUp();
    trigger_.kind = "none";
  }

  std::map<int64_t, std::vector<double>> decoded_with(bool asynchronous, int64_t join_after, int64_t slots) {
    DcaOptions options;
    options.latents = 2;
    options.deviation = 0.5;
    options.asynchronous = asynchronous;
    options.join_after = join_after;
    method_ = make_method("dca", options, testing::tiny_context(backbone_.decoder.config));
    return decoded_scores(slots);
  }

  // The decoder alone up to `late` tokens into the response, then a branch that reads the prompt and leaves there.
  std::map<int64_t, std::vector<double>> expected(int64_t late) {
    const at::NoGradGuard no_grad;
    const TriggerOptions never{.kind = "none", .at_prompt_end = false};
    std::map<int64_t, std::vector<double>> scores;
    for (size_t i = 0; i < batch_.size(); ++i) {
      Plan plan = make_plan({batch_[i]}, table_, never, {});
      const int64_t prompt = batch_[i].prompt_length, length = static_cast<int64_t>(batch_[i].ids.size());
      const at::Tensor plain = teacher_forced(backbone_.decoder, nullptr, to_device(plan, at::kCPU), {}).nll_M;
      std::vector<double>& own = scores[static_cast<int64_t>(i)];
      for (int64_t t = 0; t < std::min(late, length - prompt); ++t) own.push_back(-plain[t].item<double>());
      if (prompt + late >= length) continue;
      plan.branches = {{.sequence = 0, .read_end = prompt, .join_end = prompt + late}};
      plan.branch_shape = {.latents = 2, .ahead = length};
      const DevicePlan device = to_device(plan, at::kCPU);
      const at::Tensor nll = teacher_forced(backbone_.decoder, method_.get(), device, {}).nll_M;
      for (int64_t m = 0; m < nll.size(0); ++m) own.push_back(-nll[m].item<double>());
    }
    return scores;
  }
};

TEST_P(LateLatents, JoinAtTheTokenAskedFor) {
  for (const int64_t late : {0, 1, 4}) {
    for (const int64_t slots : {1, 3}) {
      const auto found = decoded_with(true, late, slots);
      expect_close(found, expected(late));
    }
  }
}

TEST_P(LateLatents, AtOnceEqualsInStep) { expect_close(decoded_with(true, 0, 3), decoded_with(false, -1, 3)); }

TEST_P(LateLatents, JoinAtSomeTokenWhenTheyAreReady) {
  const auto found = decoded_with(true, -1, 3);
  std::vector<std::map<int64_t, std::vector<double>>> possible;
  for (int64_t late = 0; late <= 24; ++late) possible.push_back(expected(late));
  for (const auto& [example, scores] : found) {
    const bool is_one = std::any_of(possible.begin(), possible.end(), [&](const auto& at) {
      const std::vector<double>& other = at.at(example);
      return std::equal(scores.begin(), scores.end(), other.begin(), other.end(),
                        [](double a, double b) { return std::abs(a - b) < 1e-9; });
    });
    EXPECT_TRUE(is_one) << "example " << example;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, LateLatents,
    ::testing::Values(DecodingCase{.name = "plain", .method = "dca"},
                      DecodingCase{.name = "window_and_cap", .method = "dca", .softcap = 1.5, .attention_window = 6}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
