// One pass over ragged texts and their branches = one text at a time under a dense mask.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <map>

#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "runtime/dense_branches.h"
#include "support/tiny.h"

namespace bt {
namespace {

struct BranchCase {
  std::string name;
  std::string coprocessor = "copy", family = "llama", positions = "shift";
  int64_t ahead = 4, places = 6;
  std::vector<int64_t> lag = {0, 0}, window = {0, 0, 0};
};

void PrintTo(const BranchCase& c, std::ostream* out) { *out << c.name; }

class Branches : public ::testing::TestWithParam<BranchCase> {
 protected:
  void SetUp() override {
    const BranchCase& c = GetParam();
    ModelConfig config = testing::tiny_config(3, c.family);
    config.window = c.window;
    backbone_ = testing::tiny_backbone(config, false);
    options_.latents = 3;
    options_.ahead = c.ahead;
    options_.places = c.places;
    options_.positions = c.positions;
    options_.train_lag = c.lag;
    options_.coprocessor = c.coprocessor;
    options_.rank = 2;
    if (c.coprocessor == "scratch") {
      options_.width = 20;
      options_.heads = 6;
      options_.feed_forward = 32;
    }
    options_.deviation = 0.5;
    method_ = make_method("dca", options_, testing::tiny_context(config));
    method_->start_from(backbone_.decoder);
    batch_ = testing::random_batch(17, {.sequences = 5, .longest_prompt = 3});
    batch_.push_back(batch_[0]);  // another draw for the same text
    batch_.back().source = 999;
    batch_.push_back({.ids = {9, 10, 11, 12}, .prompt_length = 1, .supervised = {0, 1, 1, 1}, .source = 5});
    plan_ = training_plan_for(method_.get(), batch_, testing::tiny_table(), {}, {testing::kEos}, {3, 8});
  }

  testing::CoprocessorParts parts() const {
    const ParameterStore& store = *method_->parameters();
    ModelConfig config = backbone_.decoder.config;
    testing::CoprocessorParts parts{{}, store.leaf("soft_tokens"), store.leaf("latent_scale"), {}};
    if (GetParam().coprocessor == "lora") {
      parts.layers = backbone_.decoder;
      for (int64_t layer = 0; layer < config.layers; ++layer) {
        LayerWeights& w = parts.layers.layers[static_cast<size_t>(layer)];
        for (const auto& [name, linear] : std::map<std::string, Linear*>{{"q", &w.q},
                                                                         {"k", &w.k},
                                                                         {"v", &w.v},
                                                                         {"o", &w.o},
                                                                         {"gate", &w.gate},
                                                                         {"up", &w.up},
                                                                         {"down", &w.down}}) {
          const at::Tensor a = store.leaf(name + ".a", layer)[0], b = store.leaf(name + ".b", layer)[0];
          linear->weight = linear->weight + (options_.alpha / 2) * b.mm(a);
        }
      }
      return parts;
    }
    if (GetParam().coprocessor == "scratch") {
      config.hidden_size = 20;
      config.heads = 6;
      config.intermediate_size = 32;
      parts.output = store.leaf("output");
    }
    parts.layers = layers_of(config, store);
    return parts;
  }

  // Sum of what the plan's branches predict.
  at::Tensor dense_loss() const {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (size_t s = 0; s < plan_.sequences.size(); ++s) {
      std::vector<PlanBranch> own;
      for (const PlanBranch& branch : plan_.branches) {
        if (branch.sequence == static_cast<int32_t>(s)) own.push_back(branch);
      }
      const auto example = static_cast<size_t>(plan_.sequences[s].example);
      const at::Tensor nll_RA =
          testing::dense_branch_losses(backbone_.decoder, parts(), batch_[example].ids, own, plan_.branch_shape);
      for (size_t r = 0; r < own.size(); ++r) {
        for (int64_t a = 0; a < plan_.branch_shape.ahead; ++a) {
          if (predicts(plan_, own[r], a)) sum = sum + nll_RA[static_cast<int64_t>(r)][a];
        }
      }
    }
    return sum;
  }

  Backbone backbone_;
  DcaOptions options_;
  std::unique_ptr<Method> method_;
  std::vector<Example> batch_;
  Plan plan_;
};

TEST_P(Branches, LossAndGradientsEqualTheDenseMasks) {
  ParameterStore& store = *method_->parameters();
  {
    at::NoGradGuard no_grad;  // adapters start at zero, where half of their gradients are
    store.flat().add_(at::arange(store.count(), at::kDouble).sin() * 0.05);
  }
  const at::Tensor expected = dense_loss();
  expected.backward();
  const at::Tensor expected_gradient = store.flat_grad().clone();
  store.zero_grad();
  const DevicePlan device = to_device(plan_, at::kCPU);
  const Forward forward = teacher_forced(backbone_.decoder, method_.get(), device, {});
  EXPECT_EQ(forward.nll_M.size(0), plan_.supervised_tokens);
  EXPECT_NEAR(forward.loss.item<double>(), expected.item<double>(), 1e-9 * expected.item<double>());
  forward.loss.backward();
  const double greatest = expected_gradient.abs().max().item<double>();
  EXPECT_LE((store.flat_grad() - expected_gradient).abs().max().item<double>(), 1e-9 * greatest);
  for (const ParameterInfo& info : store.infos()) {
    for (int64_t layer = 0; layer < std::max<int64_t>(info.layers, 1); ++layer)
      EXPECT_GT(store.leaf(info.name, layer).grad().abs().max().item<double>(), 0) << info.name << ", layer " << layer;
  }
}

TEST_P(Branches, WithoutAMethodPredictTheSameTokensFromTheTextAlone) {
  const DevicePlan device = to_device(plan_, at::kCPU);
  const Forward forward = teacher_forced(backbone_.decoder, nullptr, device, {});
  for (Example& example : batch_) std::fill(example.supervised.begin() + 1, example.supervised.end(), uint8_t{1});
  const TriggerOptions never{.kind = "none", .at_prompt_end = false};
  const Plan whole = make_plan(batch_, testing::tiny_table(), never, {});
  const DevicePlan whole_device = to_device(whole, at::kCPU);
  const at::Tensor nll = teacher_forced(backbone_.decoder, nullptr, whole_device, {}).nll_M;
  std::map<int64_t, double> nll_after;  // by packed token
  for (int64_t m = 0; m < nll.size(0); ++m)
    nll_after[whole_device.supervised_M[m].item<int64_t>()] = nll[m].item<double>();
  int64_t m = 0;
  for (const PlanBranch& branch : plan_.branches) {
    for (int64_t a = 0; a < GetParam().ahead; ++a) {
      if (!predicts(plan_, branch, a)) continue;
      const int64_t at = plan_.sequences[static_cast<size_t>(branch.sequence)].begin + branch.join_end + a - 1;
      EXPECT_NEAR(forward.nll_M[m++].item<double>(), nll_after.at(at), 1e-12);
    }
  }
  EXPECT_EQ(m, forward.nll_M.size(0));
}

TEST_P(Branches, LeaveTextsAtBothEndsAndOverlap) {
  bool at_start = false, behind_end = false, overlap = false;
  for (size_t r = 0; r < plan_.branches.size(); ++r) {
    const PlanBranch& branch = plan_.branches[r];
    const PlanSequence& text = plan_.sequences[static_cast<size_t>(branch.sequence)];
    at_start |= branch.read_end == 1;
    behind_end |= branch.join_end + GetParam().ahead > text.end - text.begin;
    overlap |= r > 0 && plan_.branches[r - 1].sequence == branch.sequence &&
               branch.join_end - plan_.branches[r - 1].join_end < GetParam().ahead;
  }
  EXPECT_TRUE(at_start && ((behind_end && overlap) || GetParam().ahead == 1));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Branches,
    ::testing::Values(
        BranchCase{.name = "copy"}, BranchCase{.name = "lora", .coprocessor = "lora"},
        BranchCase{.name = "scratch", .coprocessor = "scratch"},
        BranchCase{.name = "kept_positions", .positions = "keep"}, BranchCase{.name = "late", .lag = {0, 5}},
        BranchCase{.name = "windows", .window = {0, 6, 2}},
        BranchCase{.name = "windows_kept_positions_late", .positions = "keep", .lag = {1, 3}, .window = {5, 0, 4}},
        BranchCase{.name = "every_place", .ahead = 1, .places = 1000},
        BranchCase{.name = "gemma2", .family = "gemma2", .window = {7, 0, 7}},
        BranchCase{.name = "qwen3", .family = "qwen3"}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace bt
