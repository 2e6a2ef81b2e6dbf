// The formulas against a toy whose products are counted by hand, and the rows they assume against the engine's choice.
#include "bt/runtime/step_flops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/data/branches.h"
#include "bt/runtime/teacher_forced.h"
#include "support/tiny.h"

namespace bt {
namespace {

// Width 4, 2 query heads and 1 key/value head of 2, feed-forward 3, 10 tokens of vocabulary.
// One layer: q 4x4, k and v 4x2, o 4x4, gate, up and down 4x3 each: 16 + 16 + 16 + 36 = 84 weights, of which q, k,
// v 32.
ModelConfig toy(int64_t layers) {
  ModelConfig config;
  config.vocab_size = 10;
  config.hidden_size = 4;
  config.intermediate_size = 3;
  config.layers = layers;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 2;
  config.window.assign(static_cast<size_t>(layers), 0);
  return config;
}

// Prompt of 2, a step of 2 that ends with a newline, a last step of 1: events after rows 2 and 4. Tokens 1, 2 and 3
// predict supervised ones.
Plan toy_plan() {
  const std::vector<int32_t> newline{7};
  const Example example{{3, 4, 5, 7, 6}, 2, {0, 0, 1, 1, 1}, 0};
  return make_plan({example}, BoundaryTable::from_ids(10, newline), {}, {});
}

TEST(Flops, OfSftAreCountedByHand) {
  // Products with weights: 5 tokens x 84. Scores and outputs: 1 + 2 + 3 + 4 + 5 = 15 pairs x 2 heads x 2 wide, twice.
  // Head: 3 tokens x 4 x 10. Forward: 2 (420 + 120 + 120).
  const StepFlops flops = sft_flops(toy(1), toy_plan());
  EXPECT_EQ(flops.forward, 1320);
  EXPECT_EQ(flops.backward, 2640);
  EXPECT_EQ(flops.total(), 3960);
  EXPECT_EQ(sft_flops(toy(2), toy_plan()).forward, 1320 + 2 * (420 + 120));
}

TEST(Flops, OfAWindowCountOnlyWhatQueriesSee) {
  ModelConfig config = toy(1);
  config.window = {2};  // 1 + 2 + 2 + 2 + 2 = 9 pairs
  EXPECT_EQ(sft_flops(config, toy_plan()).forward, 2 * (420 + 9 * 8 + 120));
}

TEST(Flops, OfTheProcessorAreCountedByHand) {
  BtOptions options;
  options.rows.recall = 1;
  options.rows.recent = 2;
  options.width = 3;
  options.feed_forward = 5;
  // Event 1: the 2 prompt rows. Event 2: the 2 rows of the step and 1 earlier one. Voters: rows 0, 1 and rows 2, 3,
  // which see 1 + 2 + 3 + 4 = 10 rows. Block: entries of 4; w_in 3x4, qkv 9x3, o 3x3, gate, up and down 3x5, w_out 4x3:
  // 12 + 27 + 9 + 45 + 12 = 105 weights; attention over 2x2 and 3x3 pairs, 3 wide, twice.
  constexpr int64_t block = 105 * (2 + 3) + (4 + 9) * 3 * 2;
  StepFlops flops = processor_flops(toy(1), toy_plan(), options);
  EXPECT_EQ(flops.forward, 1320 + 2 * (10 * 4 + block));
  // Backward: the head's input; for the 3 tokens after event 1 the inputs of o, gate, up and down (84 - 32 weights),
  // and of 3 + 4 + 5 = 12 pairs probabilities, keys and values; the block twice, but for the input of w_in.
  EXPECT_EQ(flops.backward, 2 * (120 + 3 * 52 + 3 * 12 * 4 + 2 * block - 12 * 5));
  EXPECT_EQ(flops.recomputed, 2 * (12 * 4 + block));
  // A second layer also needs the inputs of q, k and v, and the queries.
  const StepFlops two = processor_flops(toy(2), toy_plan(), options);
  EXPECT_EQ(two.backward - flops.backward, 2 * (3 * 84 + 4 * 12 * 4 + 2 * block - 12 * 5));
}

TEST(Flops, OfJointTrainingAreThreeTimesAllButTheVotes) {
  BtOptions options;
  options.rows.recall = 1;
  options.rows.recent = 2;
  options.width = 3;
  options.feed_forward = 5;
  const StepFlops frozen = processor_flops(toy(2), toy_plan(), options);
  options.train_backbone = true;
  const StepFlops joint = processor_flops(toy(2), toy_plan(), options);
  EXPECT_EQ(joint.forward, frozen.forward);
  EXPECT_EQ(joint.backward, 2 * (frozen.forward - 2 * 2 * 10 * 4));  // in 2 layers 10 pairs of voters, 4 wide
}

TEST(Flops, OfTheConstantRewriteHaveNoBlock) {
  ConstantRewriteOptions options;
  options.rows.recent = 2;
  const auto flops = step_flops(toy(1), toy_plan(), &options);
  ASSERT_TRUE(flops.has_value());
  EXPECT_EQ(flops->forward, 1320 + 2 * 10 * 4);
  EXPECT_EQ(flops->backward, 2 * (120 + 3 * 52 + 3 * 12 * 4));
}

TEST(Flops, OfLoraAreCountedByHand) {
  LoraOptions options;
  options.rank = 1;
  options.targets = {"q", "v", "down"};
  // Adapters: q 4 + 4, v 4 + 2, down 3 + 4: 21 weights. Backward: the head's input, the inputs of all but q, k and v,
  // the attention twice, adapters twice but for the inputs of q's and v's A, which nothing needs.
  const StepFlops flops = lora_flops(toy(1), toy_plan(), options);
  EXPECT_EQ(flops.forward, 1320 + 2 * 5 * 21);
  EXPECT_EQ(flops.backward, 2 * (120 + 5 * 52 + 2 * 120 + 5 * (2 * 21 - 2 * 4)));
}

// A text of 4 tokens that is left after 3, for 2 latents and its last token.
Plan branched_toy_plan(bool shifts_positions = true) {
  const std::vector<int32_t> newline{7};
  const Example example{{3, 4, 5, 6}, 3, {0, 0, 0, 1}, 0};
  Plan plan = make_plan({example}, BoundaryTable::from_ids(10, newline), {.kind = "none", .at_prompt_end = false}, {});
  return with_branches(std::move(plan), {.shape = {2, 2, shifts_positions}}, {});
}

TEST(Flops, OfACoprocessorAreCountedByHand) {
  // The text: keys, values and queries of its only layer, 4 x 32. The coprocessor: 2 rows x 84; 3 rows of the text each
  // and 1 + 2 of their own. The decoder: q, k and v of 3 rows, the rest of the row that predicts; 3 x 3 and 1 + 2 + 3
  // pairs. Head: 1 x 40.
  DcaOptions options;
  const StepFlops flops = coprocessor_flops(toy(1), branched_toy_plan(), options);
  EXPECT_EQ(flops.forward, 2 * (4 * 32 + 2 * 84 + 9 * 8 + 3 * 32 + 52 + 15 * 8 + 40));
  // Backward: the coprocessor's weights twice, the decoder's inputs; of the text's rows two products, of their own
  // four.
  EXPECT_EQ(flops.backward, 2 * (2 * 2 * 84 + 6 * 8 + 3 * 16 + 3 * 32 + 52 + 9 * 8 + 6 * 16 + 40));
  // Below the last layer everything is computed.
  EXPECT_EQ(coprocessor_flops(toy(2), branched_toy_plan(), options).forward - flops.forward,
            2 * (4 * 84 + 10 * 8 + 2 * 84 + 9 * 8 + 3 * 84 + 15 * 8));
  options.coprocessor = "lora";
  options.rank = 1;
  options.targets = {"q", "v", "down"};  // 21 weights
  const StepFlops adapters = coprocessor_flops(toy(1), branched_toy_plan(), options);
  EXPECT_EQ(adapters.forward - flops.forward, 2 * 2 * 21);
  EXPECT_EQ(adapters.backward - flops.backward, 2 * 2 * (2 * 21 - 84));
  options.coprocessor = "scratch";
  options.width = 6;
  options.heads = 3;  // q and o 6 x 6, k and v 6 x 2, the rest 6 x 3: 150 weights, and 6 x 4 behind the last norm
  const StepFlops scratch = coprocessor_flops(toy(1), branched_toy_plan(), options);
  EXPECT_EQ(scratch.forward - flops.forward, 2 * (2 * (150 + 24 - 84) + 9 * 4));
}

TEST(Flops, OfBranchesCountOnlyWhatWindowsShow) {
  ModelConfig config = toy(1);
  config.window = {2};
  // Row 1 of the text sees 2 rows, as do rows 2 and 3; the first latent sees row 2, the second none; both see own 1
  // + 2. In the decoder the ahead token stands behind them and sees 2, or in the first latent's place: row 2 and all
  // three.
  constexpr int64_t weights = 4 * 32 + 2 * 84 + 3 * 32 + 52 + 40;
  EXPECT_EQ(coprocessor_flops(config, branched_toy_plan(), {}).forward, 2 * (weights + (1 + 3) * 8 + (1 + 5) * 8));
  EXPECT_EQ(coprocessor_flops(config, branched_toy_plan(false), {}).forward, 2 * (weights + (1 + 3) * 8 + (2 + 6) * 8));
}

TEST(Flops, OfLatentsAmongTheTokensAreCountedByHand) {
  // 5 tokens of toy_plan, and 2 latents after the first 2: 7 tokens, 28 pairs; 5 tokens from the first latent on, which
  // see 3 + 4 + 5 + 6 + 7 = 25 rows. Head: 3 x 40.
  Plan plan = toy_plan();
  plan.ids.insert(plan.ids.begin() + 2, {-1, -2});
  plan.targets.insert(plan.targets.begin() + 2, {-1, -1});
  plan.positions = {0, 1, 2, 3, 4, 5, 6};
  plan.sequences[0].end = 7;
  plan.segments = {{.end = 7}};
  plan.events.clear();
  PauseOptions pause;
  constexpr int64_t forward = 2 * (7 * 84 + 28 * 8 + 120);
  const auto frozen = step_flops(toy(1), plan, &pause);
  ASSERT_TRUE(frozen.has_value());
  EXPECT_EQ(frozen->forward, forward);
  EXPECT_EQ(frozen->backward, 2 * (120 + 5 * 84 + 25 * 4 * 4));
  pause.train_backbone = true;
  EXPECT_EQ(step_flops(toy(1), plan, &pause)->backward, 2 * forward);
  const RolloutOptions rollout;  // with the backbone
  EXPECT_EQ(step_flops(toy(1), plan, &rollout)->total(), 3 * forward);
}

TEST(Flops, OfSteeringReachTheLowestSteeredLayer) {
  SteerOptions options;
  const auto all = step_flops(toy(2), toy_plan(), &options);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->forward, sft_flops(toy(2), toy_plan()).forward);
  EXPECT_EQ(all->backward, 2 * (120 + 2 * (3 * 84 + 12 * 4 * 4)));  // 3 tokens after event 1, 3 + 4 + 5 pairs
  options.layers = {1};
  EXPECT_EQ(step_flops(toy(2), toy_plan(), &options)->backward, 2 * (120 + 3 * 84 + 12 * 4 * 4));
}

TEST(Flops, OfOtherMethodsAreNotKnown) {
  const EvictOptions options;
  EXPECT_FALSE(step_flops(toy(1), toy_plan(), &options).has_value());
}

TEST(Flops, AssumeTheRowsThatTheEngineChooses) {
  ModelConfig config = testing::tiny_config();
  config.window = {0, 6, 9};
  const Backbone backbone = testing::tiny_backbone(config, false);
  for (const bool before : {false, true}) {
    for (const std::string window : {"step", "recent"}) {
      BtOptions options = testing::tiny_bt();
      options.rows.window = window;
      options.rows.recall_exclude_first = 1;
      TriggerOptions trigger;
      trigger.before_boundary_token = before;
      const Plan plan = make_plan(testing::random_batch(5), testing::tiny_table(), trigger, {testing::kEos});
      const auto method = make_method("bt", options, testing::tiny_context(config));
      const Forward forward =
          teacher_forced(backbone.decoder, method.get(), to_device(plan, at::kCPU), {.record_rows = true});
      for (size_t layer = 0; layer < forward.rows.size(); ++layer) {
        int64_t assumed = 0, found = 0;
        for (const PlanEvent& event : plan.events) assumed += chosen_rows(event, options.rows, config.window[layer]);
        for (const at::Tensor& rows_EW : forward.rows[layer]) found += (rows_EW >= 0).sum().item<int64_t>();
        EXPECT_EQ(assumed, found) << window << (before ? " before" : " after") << ", layer " << layer;
      }
    }
  }
}

}  // namespace
}  // namespace bt
