#include "bt/runtime/decoding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "bt/core/error.h"
#include "support/tiny.h"

namespace bt {
namespace {

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
