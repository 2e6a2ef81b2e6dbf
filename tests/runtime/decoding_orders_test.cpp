// Step-by-step decoding through the inference cache = the teacher-forced pass; batched = single.
#include "bt/core/error.h"
#include "runtime/decoded_scores.h"

namespace bt {
namespace {

using testing::DecodingCase, testing::expect_close, testing::kAppendRows;

using Decode = testing::DecodedScores;

TEST_P(Decode, GivesTheTeacherForcedLogProbabilities) {
  expect_close(decoded_scores(GetParam().slots), teacher_forced_scores());
}

TEST_P(Decode, FixedStepsGiveTheSame) { expect_close(decoded_scores(3, true), decoded_scores(3)); }

TEST_P(Decode, BatchedEqualsSingle) { expect_close(decoded_scores(7), decoded_scores(1)); }

// A cache with room for the text and for what its one call adds.
class DecodeTightly : public testing::DecodedScores {};

TEST_P(DecodeTightly, HasRoomForWhatIsAdded) {
  Example text{.prompt_length = 20, .source = 100};
  for (int32_t t = 0; t < 23; ++t) text.ids.push_back(10 + t % 5);
  batch_ = {text};
  const int64_t room = 23 + most_added_rows(method_.get(), trigger_, 20, 3);
  expect_close(decoded_scores(1, false, room), decoded_scores(1));
  EXPECT_THROW(decoded_scores(1, false, room - 2), Error) << "the last token takes no row";
}

INSTANTIATE_TEST_SUITE_P(
    Cases, DecodeTightly,
    ::testing::Values(
        DecodingCase{.name = "layers_alike", .method = "append_rows", .max_calls = 1, .yaml = kAppendRows},
        DecodingCase{
            .name = "windows", .method = "append_rows", .attention_window = 30, .max_calls = 1, .yaml = kAppendRows},
        DecodingCase{.name = "windows_lag",
                     .method = "append_rows",
                     .attention_window = 30,
                     .max_calls = 1,
                     .yaml = kAppendRows,
                     .lag = 1}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

// So many slots act at a prompt's end that no two layers are edited together.
class DecodeMany : public testing::DecodedScores {};

TEST_P(DecodeMany, GivesWhatFewGive) {
  batch_ = testing::random_batch(18, {.sequences = 40});
  if (asks_model(trigger_)) measure(7);
  expect_close(decoded_scores(40), decoded_scores(4));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, DecodeMany,
    ::testing::Values(
        DecodingCase{.name = "after"}, DecodingCase{.name = "shared_layers", .yaml = "share_layers: true"},
        DecodingCase{.name = "learned_calls", .yaml = "{calls: learned, call_init: -0.1}"},
        DecodingCase{.name = "lag", .lag = 2},
        DecodingCase{.name = "lag_learned_calls", .yaml = "{calls: learned, call_init: -0.1}", .lag = 2},
        DecodingCase{.name = "gist", .method = "gist", .yaml = "{rows: 2}"},
        DecodingCase{.name = "append_rows", .method = "append_rows", .yaml = kAppendRows},
        DecodingCase{
            .name = "append_rows_lag", .method = "append_rows", .attention_window = 6, .yaml = kAppendRows, .lag = 2}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Cases, Decode,
    ::testing::Values(
        DecodingCase{.name = "after"}, DecodingCase{.name = "before", .before_newline = true},
        DecodingCase{.name = "inside_prompt", .inside_prompt = true},
        DecodingCase{.name = "before_inside_prompt", .before_newline = true, .inside_prompt = true},
        DecodingCase{.name = "not_at_prompt_end", .at_prompt_end = false},
        DecodingCase{.name = "recent", .window = "recent"},
        DecodingCase{.name = "window_and_cap", .softcap = 1.5, .attention_window = 6},
        DecodingCase{.name = "window_recent_before", .before_newline = true, .attention_window = 5, .window = "recent"},
        DecodingCase{.name = "values_head_gates", .yaml = "{rewrites: values, gates: head}"},
        DecodingCase{.name = "shared_layers", .yaml = "share_layers: true"},
        DecodingCase{.name = "only_recalled_diverse",
                     .yaml = "{rewrite_recent: false, recall: 4, recall_diversity: 0.8}"},
        DecodingCase{.name = "share_of_mass", .attention_window = 9, .yaml = "{recall: 8, recall_share: 0.6}"},
        DecodingCase{.name = "learned_calls", .yaml = "{calls: learned, call_init: -0.1}"},
        DecodingCase{.name = "one_slot", .slots = 1}, DecodingCase{.name = "mean_shift", .method = "mean_shift"},
        DecodingCase{.name = "evict", .method = "evict"},
        DecodingCase{.name = "evict_window", .method = "evict", .attention_window = 6},
        DecodingCase{.name = "evict_pooled", .method = "evict_pooled", .yaml = "{keep: 4, recent: 3, pool: 3}"},
        DecodingCase{.name = "evict_pooled_window",
                     .method = "evict_pooled",
                     .before_newline = true,
                     .attention_window = 6,
                     .yaml = "{keep: 4, recent: 2, pool: 5, pool_by: max}"},
        DecodingCase{.name = "gist", .method = "gist", .yaml = "{rows: 2}"},
        DecodingCase{.name = "gist_inside_prompt_window",
                     .method = "gist",
                     .inside_prompt = true,
                     .softcap = 1.5,
                     .attention_window = 6,
                     .yaml = "{rows: 3, recent: 2}"},
        DecodingCase{.name = "gist_before", .method = "gist", .before_newline = true, .yaml = "{rows: 1}"},
        DecodingCase{.name = "append_rows", .method = "append_rows", .yaml = kAppendRows},
        DecodingCase{.name = "append_rows_one_slot", .method = "append_rows", .slots = 1, .yaml = kAppendRows},
        DecodingCase{.name = "append_rows_entropy", .method = "append_rows", .yaml = kAppendRows, .trigger = "entropy"},
        DecodingCase{.name = "append_rows_lag", .method = "append_rows", .yaml = kAppendRows, .lag = 2},
        DecodingCase{.name = "append_rows_before_inside_prompt",
                     .method = "append_rows",
                     .before_newline = true,
                     .inside_prompt = true,
                     .yaml = kAppendRows},
        DecodingCase{.name = "append_rows_window_and_cap",
                     .method = "append_rows",
                     .softcap = 1.5,
                     .attention_window = 6,
                     .yaml = kAppendRows},
        DecodingCase{
            .name = "append_rows_not_at_prompt_end_causal",
            .method = "append_rows",
            .at_prompt_end = false,
            .yaml = "{recent: 4, recall: 3, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0, "
                    "window: recent, causal: true, recall_exclude_first: 2, recall_by: newest}"},
        DecodingCase{
            .name = "append_rows_newest_recalled_again",
            .method = "append_rows",
            .max_calls = 5,
            .yaml = "{recent: 2, recall: 12, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2, gate_init: 0, "
                    "recall_by: newest}"},
        DecodingCase{.name = "steer", .method = "steer"},
        DecodingCase{.name = "steer_before", .method = "steer", .before_newline = true, .inside_prompt = true},
        DecodingCase{.name = "steer_boundary_token", .method = "steer", .yaml = "places: boundary_token"},
        DecodingCase{.name = "steer_boundary_token_before",
                     .method = "steer",
                     .before_newline = true,
                     .inside_prompt = true,
                     .yaml = "places: boundary_token"},
        DecodingCase{.name = "steer_next_step", .method = "steer", .inside_prompt = true, .yaml = "places: next_step"},
        DecodingCase{
            .name = "steer_next_step_of_two_calls", .method = "steer", .max_calls = 2, .yaml = "places: next_step"},
        DecodingCase{.name = "steer_next_step_of_the_prompt_before",
                     .method = "steer",
                     .before_newline = true,
                     .max_calls = 1,
                     .yaml = "{places: next_step, layers: [1]}"},
        DecodingCase{.name = "pause", .method = "pause"},
        DecodingCase{.name = "shared_pause", .method = "pause", .yaml = "shared: true"},
        DecodingCase{.name = "pause_before", .method = "pause", .before_newline = true},
        DecodingCase{.name = "rollout", .method = "rollout"},
        DecodingCase{
            .name = "rollout_inside_prompt_window", .method = "rollout", .inside_prompt = true, .attention_window = 6},
        DecodingCase{.name = "lag", .lag = 1}, DecodingCase{.name = "lag_window", .attention_window = 6, .lag = 3},
        DecodingCase{.name = "lag_before_inside_prompt", .before_newline = true, .inside_prompt = true, .lag = 2},
        DecodingCase{.name = "lag_learned_calls", .yaml = "{calls: learned, call_init: -0.1}", .lag = 2},
        DecodingCase{.name = "lag_entropy", .trigger = "entropy", .lag = 2},
        DecodingCase{.name = "entropy", .trigger = "entropy"},
        DecodingCase{.name = "entropy_not_at_prompt_end", .at_prompt_end = false, .trigger = "entropy"},
        DecodingCase{.name = "entropy_pause", .method = "pause", .trigger = "entropy"},
        DecodingCase{.name = "entropy_evict", .method = "evict", .trigger = "entropy"},
        DecodingCase{.name = "surprise", .trigger = "surprise"},
        DecodingCase{.name = "surprise_before", .before_newline = true, .attention_window = 6, .trigger = "surprise"},
        DecodingCase{.name = "surprise_dca", .method = "dca", .trigger = "surprise"},
        DecodingCase{.name = "dca", .method = "dca"}, DecodingCase{.name = "dca_keep", .method = "dca_keep"},
        DecodingCase{.name = "dca_before", .method = "dca", .before_newline = true},
        DecodingCase{.name = "dca_keep_window_inside_prompt",
                     .method = "dca_keep",
                     .inside_prompt = true,
                     .softcap = 1.5,
                     .attention_window = 6}),
    [](const ::testing::TestParamInfo<DecodingCase>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
