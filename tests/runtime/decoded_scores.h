// Log-probabilities of given responses, by the decode engine and by the teacher-forced pass, for a method and a
// trigger.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bt/core/config_node.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/uncertainty.h"
#include "support/tiny.h"

namespace bt::testing {

struct DecodingCase {
  std::string name, method = "bt";
  bool before_newline = false, inside_prompt = false, at_prompt_end = true;
  double softcap = 0;
  int64_t attention_window = 0, slots = 3, max_calls = 0;
  std::string window = "step";
  std::string yaml;  // more options of the method
  std::string trigger = "newline";
  int64_t lag = 0;
};

inline constexpr const char* kAppendRows =
    "{recent: 4, recall: 3, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0}";

inline void PrintTo(const DecodingCase& c, std::ostream* out) { *out << c.name; }

inline std::unique_ptr<Method> make(const DecodingCase& c, const ModelConfig& config) {
  const MethodContext context = tiny_context(config);
  if (c.method == "append_rows" || c.method == "gist" || c.method == "evict_pooled" || c.method == "constant_rewrite") {
    const std::string name = c.method == "evict_pooled" ? "evict" : c.method;
    auto options = make_method_options(name);
    read_options(parse_yaml(c.yaml, c.name), *options);
    return make_method(name, *options, context);
  }
  if (c.method == "evict") {
    EvictOptions options;
    options.keep = 4;
    options.recent = 3;
    return make_method("evict", options, context);
  }
  if (c.method == "mean_shift") {
    MeanShiftOptions options;
    options.rows = tiny_bt().rows;
    options.strength = 0.4;
    return make_method("mean_shift", options, context);
  }
  if (c.method == "pause") {
    PauseOptions options;
    options.count = 2;
    options.deviation = 0.5;
    options.shared = c.yaml == "shared: true";
    return make_method("pause", options, context);
  }
  if (c.method == "rollout") {
    RolloutOptions options;
    options.latents = 3;
    return make_method("rollout", options, context);
  }
  if (c.method.starts_with("dca")) {
    DcaOptions options;
    options.latents = 2;
    options.deviation = 0.5;
    options.positions = c.method == "dca" ? "shift" : "keep";
    return make_method("dca", options, context);
  }
  if (c.method == "steer") {
    SteerOptions options;
    read_options(parse_yaml(c.yaml, c.name), options);
    auto method = make_method("steer", options, context);
    method->parameters()->flat().copy_(at::arange(method->parameters()->count(), at::kDouble).sin() * 0.1);
    return method;
  }
  BtOptions options = tiny_bt();
  options.rows.window = c.window;
  read_options(parse_yaml(c.yaml, c.name), options);
  auto method = make_method("bt", options, context);
  if (options.calls == "learned") stir(*method->parameters());
  return method;
}

class DecodedScores : public ::testing::TestWithParam<DecodingCase> {
 protected:
  void SetUp() override {
    const DecodingCase& c = GetParam();
    ModelConfig config = tiny_config();
    config.attention_softcap = c.softcap;
    if (c.attention_window > 0) config.window = {0, c.attention_window, c.attention_window + 3};
    backbone_ = tiny_backbone(config, false);
    method_ = make(c, config);
    trigger_.before_boundary_token = c.before_newline;
    trigger_.inside_prompt = c.inside_prompt;
    trigger_.at_prompt_end = c.at_prompt_end;
    trigger_.lag = c.lag;
    trigger_.max_calls = c.max_calls;
    batch_ = random_batch(17, {.sequences = 7});
    trigger_.kind = c.trigger;
    if (asks_model(trigger_)) ask_live();
  }

  // The model as it runs with the method is asked about the texts; about half of the tokens end a step.
  void ask_live() {
    trigger_.live = true;
    trigger_.threshold = 1e9;
    measure(7);
    std::vector<float> values;
    for (const Example& text : batch_)
      values.insert(values.end(), text.uncertainty.begin() + text.prompt_length, text.uncertainty.end() - 1);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    trigger_.threshold = values[values.size() / 2];
    measure(7);
  }

  void measure(int64_t batch_size) {
    measure_uncertainty(backbone_.decoder, method_.get(), table_, trigger_, {kEos}, batch_size, batch_);
  }

  // Log-probabilities of every response token, by example.
  std::map<int64_t, std::vector<double>> teacher_forced_scores() {
    const Plan plan = plan_for(method_.get(), batch_, table_, trigger_, {kEos});
    const DevicePlan device = to_device(plan, at::kCPU);
    const at::NoGradGuard no_grad;
    const Forward forward = teacher_forced(backbone_.decoder, method_.get(), device, {.order = Order::step_major});
    std::map<int64_t, std::vector<std::pair<int64_t, double>>> found;
    for (int64_t m = 0; m < device.supervised_M.size(0); ++m) {
      const int64_t at = device.plan_index_N[device.supervised_M[m]].item<int64_t>();
      for (const PlanSequence& sequence : plan.sequences) {
        if (at >= sequence.begin && at < sequence.end)
          found[sequence.example].push_back({at, -forward.nll_M[m].item<double>()});
      }
    }
    std::map<int64_t, std::vector<double>> scores;
    for (auto& [example, tokens] : found) {
      std::sort(tokens.begin(), tokens.end());
      for (const auto& token : tokens) scores[example].push_back(token.second);
    }
    return scores;
  }

  // The same through the decode engine, which is made to write the given responses.
  std::map<int64_t, std::vector<double>> decoded_scores(int64_t slots, bool fixed_steps = false,
                                                        int64_t capacity = 256) {
    std::map<int64_t, std::vector<double>> scores;
    const ChooseTokens forced = [&](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
      const at::Tensor log_p = logits_AV.log_softmax(1);
      std::vector<int32_t> ids;
      for (size_t a = 0; a < rows.size(); ++a) {
        const int64_t example = static_cast<int64_t>(rows[a].request) - 100;
        const Example& given = batch_[static_cast<size_t>(example)];
        ids.push_back(given.ids[static_cast<size_t>(given.prompt_length + rows[a].generated)]);
        scores[example].push_back(log_p[static_cast<int64_t>(a)][ids.back()].item<double>());
      }
      return ids;
    };
    Decoding engine(backbone_.decoder, method_.get(), table_, trigger_, {kEos},
                    {.slots = slots, .capacity = capacity, .fixed_steps = fixed_steps}, forced);
    size_t next = 0;
    while (next < batch_.size() || !engine.idle()) {
      std::vector<DecodingRequest> requests;
      for (int64_t free = engine.free_slots(); free > 0 && next < batch_.size(); --free, ++next) {
        const Example& given = batch_[next];
        requests.push_back({static_cast<uint64_t>(given.source),
                            {given.ids.begin(), given.ids.begin() + given.prompt_length},
                            static_cast<int64_t>(given.ids.size()) - given.prompt_length});
      }
      engine.admit(requests);
      engine.step();
    }
    return scores;
  }

  Backbone backbone_;
  std::unique_ptr<Method> method_;
  TriggerOptions trigger_;
  BoundaryTable table_ = tiny_table();
  std::vector<Example> batch_;
};

inline void expect_close(const std::map<int64_t, std::vector<double>>& a,
                         const std::map<int64_t, std::vector<double>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [example, scores] : a) {
    ASSERT_EQ(scores.size(), b.at(example).size()) << "example " << example;
    for (size_t i = 0; i < scores.size(); ++i)
      EXPECT_NEAR(scores[i], b.at(example)[i], 1e-9) << "example " << example << ", token " << i;
  }
}

}  // namespace bt::testing
