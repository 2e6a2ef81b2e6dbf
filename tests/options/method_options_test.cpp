#include "bt/options/method_options.h"

#include <gmock/gmock.h>

#include <limits>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::unique_ptr<Options> read_method(const std::string& name, const std::string& yaml) {
  auto options = make_method_options(name);
  read_options(parse_yaml(yaml, "test.yaml"), *options);
  return options;
}

BtOptions read_bt(const std::string& yaml) { return dynamic_cast<BtOptions&>(*read_method("bt", yaml)); }

std::string usage_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(MethodOptions, EveryBuiltInMethodHasASummaryAndReadsItsOwnDefaults) {
  EXPECT_EQ(method_names(),
            (std::vector<std::string>{"append_rows", "bt", "constant_rewrite", "dca", "evict", "gist", "lora",
                                      "mean_shift", "pause", "recent_only", "rollout", "steer"}));
  for (const std::string& name : method_names()) {
    EXPECT_FALSE(method_summary(name).empty()) << name;
    const auto options = make_method_options(name);
    const std::string written = write_options_yaml(*options);
    const auto again = make_method_options(name);
    read_options(parse_yaml(written, "written.yaml"), *again);
    EXPECT_EQ(write_options_yaml(*again), written) << name;
  }
}

TEST(MethodOptions, UnknownMethodHasNoOptions) { EXPECT_EQ(make_method_options("btt"), nullptr); }

TEST(MethodOptions, AMethodIsRegisteredOnce) {
  EXPECT_THROW(register_method_options("bt", "again", nullptr), std::logic_error);
}

TEST(SteerOptions, AMeasuredDirectionHasTwoSetsOfTextsAndALearnedOneNone) {
  const auto error = [](const std::string& yaml) { return usage_error([&] { read_method("steer", yaml); }); };
  EXPECT_THAT(error("{direction: mean_difference, negative: b.jsonl}"), HasSubstr("latent.positive"));
  EXPECT_THAT(error("{direction: mean_difference, positive: a.jsonl}"), HasSubstr("latent.negative"));
  EXPECT_THAT(error("{negative: b.jsonl}"), HasSubstr("latent.negative"));
  read_method("steer", "{direction: mean_difference, positive: a.jsonl, negative: b.jsonl}");
}

TEST(EvictOptions, ARowStandsInTheMiddleOfItsNeighbours) {
  EXPECT_THAT(usage_error([] { read_method("evict", "pool: 4"); }), HasSubstr("latent.pool"));
  read_method("evict", "pool: 5");
}

TEST(AppendRowsOptions, DrawNoRowsByNumber) {
  EXPECT_THAT(usage_error([] { read_method("append_rows", "recall_by: random"); }), HasSubstr("latent.recall_by"));
  EXPECT_THAT(usage_error([] { read_method("append_rows", "{width: 10, heads: 3}"); }), HasSubstr("latent.heads"));
}

TEST(GistOptions, LeaveThePromptWholeUnlessAskedTo) {
  EXPECT_FALSE(dynamic_cast<GistOptions&>(*read_method("gist", "rows: 2")).resolved_trigger().at_prompt_end);
  const auto asked = read_method("gist", "trigger: {at_prompt_end: true}");
  EXPECT_TRUE(dynamic_cast<GistOptions&>(*asked).resolved_trigger().at_prompt_end);
}

TEST(RowChoiceOptions, KeysThatContradictEachOtherAreRefused) {
  const auto refused = [](const std::string& method, const std::string& yaml, const std::string& key) {
    const auto options = make_method_options(method);
    EXPECT_NE(usage_error([&] { read_options(parse_yaml(yaml, "t"), *options); }).find(key), std::string::npos) << yaml;
  };
  for (const char* method : {"bt", "constant_rewrite", "mean_shift"}) {
    refused(method, "{recall_by: newest, recall_share: 0.5}", "latent.recall_by");
    refused(method, "{recall_by: random, recall_diversity: 1}", "latent.recall_by");
    refused(method, "{rewrite_recent: false, recall: 0}", "latent.recall");
  }
  refused("recent_only", "rewrite_recent: false", "latent.recall");
  refused("append_rows", "calls: learned", "latent.calls");
  refused("steer", "{places: next_step, trigger: {kind: entropy}}", "latent.places");
}

TEST(DcaOptions, LagsAreARange) {
  for (const char* bad : {"[2]", "[3, 2]", "[0, 1, 2]"}) {
    DcaOptions options;
    EXPECT_NE(usage_error([&] {
                read_options(parse_yaml(std::string("train_lag: ") + bad, "t"), options);
              }).find("latent.train_lag"),
              std::string::npos);
  }
}

TEST(DcaOptions, ACostOfCallsNeedsAGate) {
  EXPECT_THAT(usage_error([] { read_method("dca", "call_cost: 0.1"); }), HasSubstr("latent.call_cost"));
}

TEST(DcaOptions, ACoprocessorFromScratchSharesTheBackbonesHeads) {
  ModelConfig backbone;
  backbone.hidden_size = 64;
  backbone.heads = 8;
  backbone.kv_heads = 4;
  DcaOptions options;
  options.width = 20;
  options.heads = 12;
  EXPECT_EQ(options.coprocessor_config(backbone).hidden_size, 64) << "a copy has the backbone's shape";
  options.coprocessor = "scratch";
  EXPECT_EQ(options.coprocessor_config(backbone).hidden_size, 20);
  EXPECT_EQ(options.coprocessor_config(backbone).heads, 12);
  options.heads = 6;
  EXPECT_NE(usage_error([&] { options.coprocessor_config(backbone); }).find("latent.heads"), std::string::npos);
}

TEST(BtOptions, PaperPresetSetsTheDefaultsOfThePaper) {
  const BtOptions options = read_bt("preset: paper");
  EXPECT_EQ(options.rows.recall, 32);
  EXPECT_EQ(options.rows.recent, 64);
  EXPECT_EQ(options.kv_scale, "none");
  EXPECT_FALSE(options.processor_rope);
  EXPECT_FALSE(options.kind_embedding);
}

TEST(BtOptions, OtherKeysChangeThePresetWhateverTheirPlaceInTheFile) {
  const BtOptions options = read_bt("recall: 7\nprocessor_rope: true\npreset: paper\n");
  EXPECT_EQ(options.rows.recall, 7);
  EXPECT_TRUE(options.processor_rope);
  EXPECT_EQ(options.kv_scale, "none");
}

TEST(BtOptions, ResolvedPresetReadsBackEqual) {
  auto options = read_method("bt", "preset: paper\nkind_embedding: true\nrecent: 5\n");
  const std::string written = write_options_yaml(*options);
  auto again = read_method("bt", written);
  EXPECT_EQ(write_options_yaml(*again), written);
  EXPECT_THAT(written, HasSubstr("kind_embedding: true"));
  EXPECT_THAT(written, HasSubstr("recent: 5"));
}

TEST(BtOptions, HeadsMustDivideTheWidth) {
  EXPECT_THAT(usage_error([] { read_bt("{width: 48, heads: 5}"); }), HasSubstr("divisor of latent.width = 48"));
  EXPECT_THAT(usage_error([] { read_bt("{width: 15, heads: 5}"); }), HasSubstr("even head width"));
  EXPECT_EQ(read_bt("{width: 15, heads: 5, processor_rope: false}").width, 15);
}

TEST(BtOptions, RecentOnlyHasNoRecallKeys) {
  const auto options = read_method("recent_only", "{recent: 8}");
  EXPECT_EQ(dynamic_cast<BtOptions&>(*options).rows.recall, 0);
  EXPECT_THAT(usage_error([] { read_method("recent_only", "recall: 4"); }), HasSubstr("recall"));
  const auto paper = read_method("recent_only", "preset: paper");
  EXPECT_EQ(dynamic_cast<BtOptions&>(*paper).rows.recall, 0);
}

TEST(TriggerConfig, ResolvesToTheOptionsOfBoundaries) {
  const BtOptions options =
      read_bt("{rewrite_at: before_newline, trigger: {kind: tokens, token_ids: [3, 9], max_calls: 2}}");
  const TriggerOptions trigger = options.resolved_trigger();
  EXPECT_EQ(trigger.kind, "tokens");
  EXPECT_EQ(trigger.token_ids, (std::vector<int32_t>{3, 9}));
  EXPECT_EQ(trigger.max_calls, 2);
  EXPECT_TRUE(trigger.before_boundary_token);
}

TEST(TriggerConfig, TokensNeedIds) {
  EXPECT_THAT(usage_error([] { read_bt("trigger: {kind: tokens}"); }), HasSubstr("latent.trigger.token_ids"));
}

TEST(MethodOptions, SizesHaveABoundThatSumsAndProductsOfThemStayBelow) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto refused = [](const std::string& method, const std::string& key, const std::string& value) {
    EXPECT_THAT(usage_error([&] { read_method(method, key + ": " + value); }), HasSubstr(key)) << method;
  };
  for (const char* key : {"rewrite_lag", "recent", "recall", "width", "heads", "feed_forward"})
    refused("bt", key, str(kMost));
  for (const char* key : {"recent", "recall"}) {
    refused("constant_rewrite", key, str(kMost));
    refused("mean_shift", key, str(kMost));
  }
  for (const char* key : {"latents", "ahead", "rank", "width", "heads", "feed_forward"})
    refused("dca", key, str(kMost));
  refused("dca", "train_lag", str("[0, ", kMost, "]"));
  for (const char* key : {"latents", "latents_per_step"}) refused("rollout", key, str(kMost));
  refused("lora", "rank", str(kMost));
  refused("pause", "count", str(kMost));
  refused("gist", "rows", str(kMost));
  EXPECT_EQ(read_bt("{rewrite_lag: 4096, recent: 100000, recall: 100000}").rows.recall, 100000);
}

TEST(LoraOptions, AProjectionGetsOneAdapter) {
  EXPECT_THAT(usage_error([] { read_method("lora", "targets: [q, v, q]"); }),
              AllOf(HasSubstr("latent.targets"), HasSubstr("q twice")));
  EXPECT_THAT(usage_error([] { read_method("dca", "{coprocessor: lora, targets: [up, up]}"); }),
              AllOf(HasSubstr("latent.targets"), HasSubstr("up twice")));
  EXPECT_THAT(usage_error([] { read_method("dca", "{coprocessor: lora, targets: []}"); }), HasSubstr("latent.targets"));
}

TEST(LoraOptions, RefusesAnUnknownProjection) {
  EXPECT_THAT(usage_error([] { read_method("lora", "targets: [q, w]"); }), HasSubstr("test.yaml:1:"));
  EXPECT_THAT(usage_error([] { read_method("lora", "targets: []"); }), HasSubstr("latent.targets"));
}

}  // namespace
}  // namespace bt
