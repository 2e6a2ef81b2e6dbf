// Steps of fixed shape, recorded and replayed by a stand-in for a device's graphs.
#include <gtest/gtest.h>

#include "bt/runtime/decoding.h"
#include "runtime/stand_in_graph.h"
#include "support/tiny.h"

namespace bt {
namespace {

class RecordedSteps : public ::testing::Test {
 protected:
  // Answers of five requests in three slots, prompts and lengths ragged.
  std::map<uint64_t, std::vector<int32_t>> answers(bool fixed_steps, int64_t capacity) const {
    const auto bt = make_method("bt", testing::tiny_bt(), testing::tiny_context(backbone_.decoder.config));
    Decoding engine(backbone_.decoder, bt.get(), table_, {.kind = "every_n", .every_n = 4}, {},
                    {.slots = 3, .capacity = capacity, .fixed_steps = fixed_steps}, sampler({}));
    std::map<uint64_t, std::vector<int32_t>> out;
    for (uint64_t next = 0; next < 5 || !engine.idle();) {
      std::vector<DecodingRequest> requests;
      for (int64_t free = engine.free_slots(); free > 0 && next < 5; --free, ++next)
        requests.push_back({next, std::vector<int32_t>(next % 3 + 1, 9 + static_cast<int32_t>(next)),
                            20 + 3 * static_cast<int64_t>(next)});
      engine.admit(requests);
      for (const SlotReport& report : engine.step()) out[report.request].push_back(report.token);
    }
    return out;
  }

  Backbone backbone_ = testing::tiny_backbone(testing::tiny_config(), false);
  BoundaryTable table_ = testing::tiny_table();
};

TEST_F(RecordedSteps, AreRecordedOnceAndGiveTheSameAnswers) {
  const auto expected = answers(false, 300);
  const testing::CpuGraphs graphs;
  EXPECT_EQ(answers(true, 300), expected);
  // All caches are shorter than the first size: tokens are one shape, events those of 1, 2 and all 3 slots.
  EXPECT_LE(testing::StandInGraph::records, 4);
  EXPECT_GT(testing::StandInGraph::replays, 20);
}

}  // namespace
}  // namespace bt
