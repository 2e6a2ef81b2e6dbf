// Layer-major = step-major = the naive reference: loss, chosen rows and every gradient, in fp64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "bt/core/config_node.h"
#include "bt/core/strings.h"
#include "bt/runtime/teacher_forced.h"
#include "support/naive_rewrite.h"
#include "support/tiny.h"

namespace bt {
namespace {

using testing::BatchShape;

struct Case {
  std::string name;
  int64_t bptt_steps = 1;
  bool before_newline = false;
  bool backbone_trains = false;
  std::string window = "step";
  int64_t recall = 3, recent = 4;
  double softcap = 0;
  int64_t attention_window = 0;
  int64_t sequences = 5;
  bool prompt_newlines = true, inside_prompt = false, at_prompt_end = true;
  int64_t exclude_first = 0;
  std::string key_frame = "rotated";
  bool causal = false;
  std::string family = "llama";
  std::string yaml;  // more options of the processor
  double call_weight = 0;
  int64_t lag = 0;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

struct Outcome {
  double loss = 0;
  std::vector<at::Tensor> gradients;
  std::vector<std::vector<std::vector<std::vector<int64_t>>>> rows;  // [layer][sequence][event]
};

class Orders : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    ModelConfig config = testing::tiny_config(3, c.family);
    if (c.softcap > 0) config.attention_softcap = c.softcap;
    if (c.attention_window > 0) config.window = {0, c.attention_window, c.attention_window + 3};
    backbone_ = testing::tiny_backbone(config, c.backbone_trains);
    BtOptions options = testing::tiny_bt();
    options.rows.recall = c.recall;
    options.rows.recent = c.recent;
    options.rows.window = c.window;
    options.rows.recall_exclude_first = c.exclude_first;
    options.key_frame = c.key_frame;
    options.causal = c.causal;
    read_options(parse_yaml(c.yaml, c.name), options);
    rows_ = options.rows;
    method_ = make_method("bt", options, testing::tiny_context(config));
    if (options.calls == "learned") testing::stir(*method_->parameters());
    for (int64_t layer = 0; layer < config.layers; ++layer) {  // uneven scales
      method_->calibrate(layer, at::full({2, 2, 8}, 0.7 + 0.2 * layer, at::kDouble),
                         at::full({2, 2, 8}, 1.3, at::kDouble));
    }
    TriggerOptions trigger;
    trigger.before_boundary_token = c.before_newline;
    trigger.inside_prompt = c.inside_prompt;
    trigger.at_prompt_end = c.at_prompt_end;
    trigger.lag = c.lag;
    plan_ = make_plan(testing::random_batch(3, {.sequences = c.sequences, .newline_in_prompt = c.prompt_newlines}),
                      testing::tiny_table(), trigger, {testing::kEos});
  }

  void clear_gradients() {
    method_->parameters()->zero_grad();
    backbone_.parameters->zero_grad();
  }

  Outcome collect(const at::Tensor& loss) {
    Outcome out;
    out.loss = loss.item<double>();
    clear_gradients();
    loss.backward();
    out.gradients = {method_->parameters()->flat_grad().clone()};
    if (GetParam().backbone_trains) out.gradients.push_back(backbone_.parameters->flat_grad().clone());
    return out;
  }

  Outcome engine(Order order, std::optional<bool> keep_activations = {}) {
    DevicePlan plan = to_device(plan_, at::kCPU);
    plan.call_weight = GetParam().call_weight;
    const Forward forward = teacher_forced(backbone_.decoder, method_.get(), plan,
                                           {.order = order,
                                            .bptt_steps = GetParam().bptt_steps,
                                            .keep_activations = keep_activations,
                                            .record_rows = true});
    Outcome out = collect(forward.loss);
    for (const auto& layer : forward.rows) {
      out.rows.emplace_back(plan_.sequences.size());
      for (const at::Tensor& rows_EW : layer) {
        for (int64_t e = 0; e < rows_EW.size(0); ++e) {
          std::vector<int64_t> chosen;
          for (int64_t w = 0; w < rows_EW.size(1); ++w) {
            if (rows_EW[e][w].item<int64_t>() >= 0) chosen.push_back(rows_EW[e][w].item<int64_t>());
          }
          out.rows.back()[static_cast<size_t>(e)].push_back(chosen);
        }
      }
    }
    return out;
  }

  Outcome naive() {
    at::Tensor loss = at::zeros({}, at::kDouble);
    Outcome rows;
    rows.rows.resize(static_cast<size_t>(backbone_.decoder.config.layers));
    for (int32_t b = 0; b < static_cast<int32_t>(plan_.sequences.size()); ++b) {
      const auto one = testing::naive_sequence(backbone_.decoder, *method_, plan_, b,
                                               {rows_, GetParam().bptt_steps, GetParam().call_weight});
      loss = loss + one.loss;
      for (size_t l = 0; l < rows.rows.size(); ++l) rows.rows[l].push_back(one.rows[l]);
    }
    Outcome out = collect(loss);
    out.rows = rows.rows;
    return out;
  }

  Backbone backbone_;
  std::unique_ptr<Method> method_;
  RowChoiceOptions rows_;
  Plan plan_;
};

void expect_equal(const Outcome& a, const Outcome& b, const char* what) {
  ASSERT_EQ(a.rows, b.rows) << what;
  EXPECT_NEAR(a.loss, b.loss, 1e-9 * std::abs(b.loss)) << what;
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    const double scale = b.gradients[i].abs().max().item<double>();
    EXPECT_GT(scale, 0) << what;
    EXPECT_LE((a.gradients[i] - b.gradients[i]).abs().max().item<double>(), 1e-9 * scale) << what << ", gradient " << i;
  }
}

TEST_P(Orders, AgreeInLossRowsAndEveryGradient) {
  ASSERT_GT(plan_.depths(), 2);
  const Outcome reference = naive(), step = engine(Order::step_major), layer = engine(Order::layer_major);
  expect_equal(step, reference, "step-major against the naive reference");
  expect_equal(layer, reference, "layer-major against the naive reference");
  if (GetParam().bptt_steps != 1) return;
  expect_equal(engine(Order::layer_major, false), reference,
               "layer-major with repeated edits against the naive reference");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int64_t bptt : {1, 2, 0}) {
    for (const bool before : {false, true}) {
      for (const bool trains : {false, true}) {
        const std::string tag = str("bptt", bptt, before ? "_before" : "_after", trains ? "_joint" : "_frozen");
        Case c{.name = tag, .bptt_steps = bptt, .before_newline = before, .backbone_trains = trains};
        all.push_back(c);
        c.name = tag + "_recent_window_cap";
        c.window = "recent";
        c.softcap = 1.5;
        c.attention_window = 6;
        all.push_back(c);
      }
    }
    const std::string tag = str("bptt", bptt);
    all.push_back({.name = tag + "_one_sequence", .bptt_steps = bptt, .sequences = 1});
    all.push_back({.name = tag + "_nineteen_sequences", .bptt_steps = bptt, .sequences = 19});
    all.push_back({.name = tag + "_no_recall", .bptt_steps = bptt, .recall = 0});
    all.push_back({.name = tag + "_recall_everything", .bptt_steps = bptt, .recall = 100, .recent = 64});
    all.push_back({.name = tag + "_one_recent", .bptt_steps = bptt, .recall = 2, .recent = 1});
    all.push_back({.name = tag + "_inside_prompt", .bptt_steps = bptt, .inside_prompt = true});
    all.push_back({.name = tag + "_not_at_prompt_end", .bptt_steps = bptt, .at_prompt_end = false});
    all.push_back({.name = tag + "_plain_prompts", .bptt_steps = bptt, .prompt_newlines = false, .exclude_first = 2});
    for (const char* family : {"gemma2", "qwen3", "smollm3", "olmo2"}) {
      const bool trains = bptt == 0;
      all.push_back({.name = str(tag, "_", family), .bptt_steps = bptt, .backbone_trains = trains, .family = family});
    }
    all.push_back(
        {.name = tag + "_smollm3_unrotated", .bptt_steps = bptt, .key_frame = "unrotated", .family = "smollm3"});
    for (const auto& [name, yaml] : std::map<std::string, std::string>{
             {"values", "rewrites: values"},
             {"keys_unrotated_head_gates", "{rewrites: keys, key_frame: unrotated, gates: head}"},
             {"shared_layers", "{share_layers: true, gates: head}"},
             {"only_recalled", "rewrite_recent: false"},
             {"share_of_mass", "{recall: 6, recall_share: 0.7}"},
             {"learned_calls_decided", "{calls: learned, call_init: 0}"},
             {"diverse", "{recall: 4, recall_diversity: 0.8, recall_share: 0.95}"}}) {
      all.push_back({.name = tag + "_" + name, .bptt_steps = bptt, .backbone_trains = bptt == 2, .yaml = yaml});
    }
    all.push_back({.name = tag + "_lag", .bptt_steps = bptt, .attention_window = 6, .lag = 1});
    all.push_back({.name = tag + "_lag_before_joint",
                   .bptt_steps = bptt,
                   .before_newline = true,
                   .backbone_trains = true,
                   .inside_prompt = true,
                   .lag = 3});
    for (const bool trains : {false, true}) {
      all.push_back({.name = str(tag, "_learned_calls_", trains ? "joint" : "frozen"),
                     .bptt_steps = bptt,
                     .backbone_trains = trains,
                     .yaml = "{calls: learned, call_cost: 3}",
                     .call_weight = 0.4});
    }
    all.push_back({.name = tag + "_unrotated_causal", .bptt_steps = bptt, .key_frame = "unrotated", .causal = true});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, Orders, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
