// Step-by-step decoding through the inference cache = the teacher-forced pass; batched = single.
#include "bt/runtime/decoding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/uncertainty.h"
#include "support/tiny.h"

namespace bt {
namespace {

struct Case {
  std::string name, method = "bt";
  bool before_newline = false, inside_prompt = false, at_prompt_end = true;
  double softcap = 0;
  int64_t attention_window = 0, slots = 3, max_calls = 0;
  std::string window = "step";
  std::string yaml;  // more options of the method
  std::string trigger = "newline";
  int64_t lag = 0;
};

constexpr const char* kAppendRows =
    "{recent: 4, recall: 3, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0}";

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::unique_ptr<Method> make(const Case& c, const ModelConfig& config) {
  const MethodContext context = testing::tiny_context(config);
  if (c.method == "append_rows" || c.method == "gist" || c.method == "evict_pooled") {
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
    options.rows = testing::tiny_bt().rows;
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
  BtOptions options = testing::tiny_bt();
  options.rows.window = c.window;
  read_options(parse_yaml(c.yaml, c.name), options);
  auto method = make_method("bt", options, context);
  if (options.calls == "learned") testing::stir(*method->parameters());
  return method;
}

class Decode : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    ModelConfig config = testing::tiny_config();
    config.attention_softcap = c.softcap;
    if (c.attention_window > 0) config.window = {0, c.attention_window, c.attention_window + 3};
    backbone_ = testing::tiny_backbone(config, false);
    method_ = make(c, config);
    trigger_.before_boundary_token = c.before_newline;
    trigger_.inside_prompt = c.inside_prompt;
    trigger_.at_prompt_end = c.at_prompt_end;
    trigger_.lag = c.lag;
    trigger_.max_calls = c.max_calls;
    batch_ = testing::random_batch(17, {.sequences = 7});
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
    measure_uncertainty(backbone_.decoder, method_.get(), table_, trigger_, {testing::kEos}, batch_size, batch_);
  }

  // Log-probabilities of every response token, by example.
  std::map<int64_t, std::vector<double>> teacher_forced_scores() {
    const Plan plan = plan_for(method_.get(), batch_, table_, trigger_, {testing::kEos});
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
  std::map<int64_t, std::vector<double>> decoded_scores(int64_t slots) {
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
    Decoding engine(backbone_.decoder, method_.get(), table_, trigger_, {testing::kEos},
                    {.slots = slots, .capacity = 256}, forced);
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
  BoundaryTable table_ = testing::tiny_table();
  std::vector<Example> batch_;
};

void expect_close(const std::map<int64_t, std::vector<double>>& a, const std::map<int64_t, std::vector<double>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [example, scores] : a) {
    ASSERT_EQ(scores.size(), b.at(example).size()) << "example " << example;
    for (size_t i = 0; i < scores.size(); ++i)
      EXPECT_NEAR(scores[i], b.at(example)[i], 1e-9) << "example " << example << ", token " << i;
  }
}

TEST_P(Decode, GivesTheTeacherForcedLogProbabilities) {
  expect_close(decoded_scores(GetParam().slots), teacher_forced_scores());
}

TEST_P(Decode, BatchedEqualsSingle) { expect_close(decoded_scores(7), decoded_scores(1)); }

INSTANTIATE_TEST_SUITE_P(
    Cases, Decode,
    ::testing::Values(
        Case{.name = "after"}, Case{.name = "before", .before_newline = true},
        Case{.name = "inside_prompt", .inside_prompt = true},
        Case{.name = "before_inside_prompt", .before_newline = true, .inside_prompt = true},
        Case{.name = "not_at_prompt_end", .at_prompt_end = false}, Case{.name = "recent", .window = "recent"},
        Case{.name = "window_and_cap", .softcap = 1.5, .attention_window = 6},
        Case{.name = "window_recent_before", .before_newline = true, .attention_window = 5, .window = "recent"},
        Case{.name = "values_head_gates", .yaml = "{rewrites: values, gates: head}"},
        Case{.name = "shared_layers", .yaml = "share_layers: true"},
        Case{.name = "only_recalled_diverse", .yaml = "{rewrite_recent: false, recall: 4, recall_diversity: 0.8}"},
        Case{.name = "share_of_mass", .attention_window = 9, .yaml = "{recall: 8, recall_share: 0.6}"},
        Case{.name = "learned_calls", .yaml = "{calls: learned, call_init: -0.1}"},
        Case{.name = "one_slot", .slots = 1}, Case{.name = "mean_shift", .method = "mean_shift"},
        Case{.name = "evict", .method = "evict"},
        Case{.name = "evict_window", .method = "evict", .attention_window = 6},
        Case{.name = "evict_pooled", .method = "evict_pooled", .yaml = "{keep: 4, recent: 3, pool: 3}"},
        Case{.name = "evict_pooled_window",
             .method = "evict_pooled",
             .before_newline = true,
             .attention_window = 6,
             .yaml = "{keep: 4, recent: 2, pool: 5, pool_by: max}"},
        Case{.name = "gist", .method = "gist", .yaml = "{rows: 2}"},
        Case{.name = "gist_inside_prompt_window",
             .method = "gist",
             .inside_prompt = true,
             .softcap = 1.5,
             .attention_window = 6,
             .yaml = "{rows: 3, recent: 2}"},
        Case{.name = "gist_before", .method = "gist", .before_newline = true, .yaml = "{rows: 1}"},
        Case{.name = "append_rows", .method = "append_rows", .yaml = kAppendRows},
        Case{.name = "append_rows_one_slot", .method = "append_rows", .slots = 1, .yaml = kAppendRows},
        Case{.name = "append_rows_entropy", .method = "append_rows", .yaml = kAppendRows, .trigger = "entropy"},
        Case{.name = "append_rows_lag", .method = "append_rows", .yaml = kAppendRows, .lag = 2},
        Case{.name = "append_rows_before_inside_prompt",
             .method = "append_rows",
             .before_newline = true,
             .inside_prompt = true,
             .yaml = kAppendRows},
        Case{.name = "append_rows_window_and_cap",
             .method = "append_rows",
             .softcap = 1.5,
             .attention_window = 6,
             .yaml = kAppendRows},
        Case{.name = "append_rows_not_at_prompt_end_causal",
             .method = "append_rows",
             .at_prompt_end = false,
             .yaml = "{recent: 4, recall: 3, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0, "
                     "window: recent, causal: true, recall_exclude_first: 2, recall_by: newest}"},
        Case{.name = "append_rows_newest_recalled_again",
             .method = "append_rows",
             .max_calls = 5,
             .yaml = "{recent: 2, recall: 12, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0, "
                     "recall_by: newest}"},
        Case{.name = "steer", .method = "steer"},
        Case{.name = "steer_before", .method = "steer", .before_newline = true, .inside_prompt = true},
        Case{.name = "steer_boundary_token", .method = "steer", .yaml = "places: boundary_token"},
        Case{.name = "steer_boundary_token_before",
             .method = "steer",
             .before_newline = true,
             .inside_prompt = true,
             .yaml = "places: boundary_token"},
        Case{.name = "steer_next_step", .method = "steer", .inside_prompt = true, .yaml = "places: next_step"},
        Case{.name = "steer_next_step_of_two_calls", .method = "steer", .max_calls = 2, .yaml = "places: next_step"},
        Case{.name = "steer_next_step_of_the_prompt_before",
             .method = "steer",
             .before_newline = true,
             .max_calls = 1,
             .yaml = "{places: next_step, layers: [1]}"},
        Case{.name = "pause", .method = "pause"},
        Case{.name = "shared_pause", .method = "pause", .yaml = "shared: true"},
        Case{.name = "pause_before", .method = "pause", .before_newline = true},
        Case{.name = "rollout", .method = "rollout"},
        Case{.name = "rollout_inside_prompt_window", .method = "rollout", .inside_prompt = true, .attention_window = 6},
        Case{.name = "lag", .lag = 1}, Case{.name = "lag_window", .attention_window = 6, .lag = 3},
        Case{.name = "lag_before_inside_prompt", .before_newline = true, .inside_prompt = true, .lag = 2},
        Case{.name = "lag_learned_calls", .yaml = "{calls: learned, call_init: -0.1}", .lag = 2},
        Case{.name = "lag_entropy", .trigger = "entropy", .lag = 2}, Case{.name = "entropy", .trigger = "entropy"},
        Case{.name = "entropy_not_at_prompt_end", .at_prompt_end = false, .trigger = "entropy"},
        Case{.name = "entropy_pause", .method = "pause", .trigger = "entropy"},
        Case{.name = "entropy_evict", .method = "evict", .trigger = "entropy"},
        Case{.name = "surprise", .trigger = "surprise"},
        Case{.name = "surprise_before", .before_newline = true, .attention_window = 6, .trigger = "surprise"},
        Case{.name = "surprise_dca", .method = "dca", .trigger = "surprise"}, Case{.name = "dca", .method = "dca"},
        Case{.name = "dca_keep", .method = "dca_keep"},
        Case{.name = "dca_before", .method = "dca", .before_newline = true},
        Case{.name = "dca_keep_window_inside_prompt",
             .method = "dca_keep",
             .inside_prompt = true,
             .softcap = 1.5,
             .attention_window = 6}),
    [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

// A coprocessor called at the prompt's end whose latents join later.
class LateLatents : public Decode {
 protected:
  void SetUp() override {
    Decode::SetUp();
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
    ::testing::Values(Case{.name = "plain", .method = "dca"},
                      Case{.name = "window_and_cap", .method = "dca", .softcap = 1.5, .attention_window = 6}),
    [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

TEST(Decoding, WithoutABoundaryACoprocessorChangesNothing) {
  const Backbone backbone = testing::tiny_backbone(testing::tiny_config(), false);
  const BoundaryTable table = testing::tiny_table();
  const auto method = make_method("dca", DcaOptions{}, testing::tiny_context(backbone.decoder.config));
  const auto logits_of = [&](const Method* which) {
    std::vector<at::Tensor> seen;
    const TriggerOptions never{.kind = "none", .at_prompt_end = false};
    const ChooseTokens greedy = [&](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
      seen.push_back(logits_AV.clone());
      return sampler({})(logits_AV, rows);
    };
    Decoding engine(backbone.decoder, which, table, never, {}, {.slots = 1, .capacity = 32}, greedy);
    engine.admit({{1, {9, 10, 11}, 12}});
    while (!engine.idle()) engine.step();
    return at::cat(seen);
  };
  EXPECT_TRUE(at::equal(logits_of(method.get()), logits_of(nullptr)));
}

TEST(Decoding, RefusesWhatDoesNotFit) {
  const Backbone backbone = testing::tiny_backbone(testing::tiny_config(), false);
  const BoundaryTable table = testing::tiny_table();
  Decoding engine(backbone.decoder, nullptr, table, {}, {testing::kEos}, {.slots = 2, .capacity = 8}, sampler({}));
  EXPECT_THROW(engine.admit({{1, {}, 4}}), Error);
  EXPECT_THROW(engine.admit({{1, {9, 9, 9, 9, 9}, 4}}), Error);
}

TEST(Decoding, SamplingDependsOnTheRequestNotTheBatch) {
  const Backbone backbone = testing::tiny_backbone(testing::tiny_config(), false);
  const BoundaryTable table = testing::tiny_table();
  const auto generate = [&](int64_t slots, const std::vector<uint64_t>& ids) {
    std::map<uint64_t, std::vector<int32_t>> answers;
    Decoding engine(backbone.decoder, nullptr, table, {}, {testing::kEos}, {.slots = slots, .capacity = 32},
                    sampler({.temperature = 1.3, .top_k = 12, .top_p = 0.95, .seed = 4}));
    size_t next = 0;
    while (next < ids.size() || !engine.idle()) {
      std::vector<DecodingRequest> requests;
      for (int64_t free = engine.free_slots(); free > 0 && next < ids.size(); --free, ++next)
        requests.push_back({ids[next], {9, 10, testing::kNewline}, 12});
      engine.admit(requests);
      for (const SlotReport& report : engine.step()) answers[report.request].push_back(report.token);
    }
    return answers;
  };
  EXPECT_EQ(generate(3, {5, 6, 7, 8}), generate(1, {8, 5, 7, 6}));
}

}  // namespace
}  // namespace bt
