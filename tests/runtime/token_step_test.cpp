// Steps of fixed shape, recorded and replayed by a stand-in for a device's graphs.
#include <gtest/gtest.h>

#include "bt/ops/device_graph.h"
#include "bt/runtime/decoding.h"
#include "support/tiny.h"

namespace bt {
namespace {

// Runs the work three times where a GPU would run it twice to warm up, and once more for every replay.
struct StandIn final : ops::DeviceGraph {
  static inline int records = 0, replays = 0;
  std::function<void()> recorded;
  void record(const std::function<void()>& work) override {
    ++records;
    recorded = work;
    for (int i = 0; i < 3; ++i) work();
  }
  void replay() override {
    ++replays;
    recorded();
  }
};

class RecordedSteps : public ::testing::Test {
 protected:
  ~RecordedSteps() override {
    ops::register_device_graphs(c10::DeviceType::CPU, [] { return none(); });
  }
  static std::unique_ptr<ops::DeviceGraph> none() { return nullptr; }
  static std::unique_ptr<ops::DeviceGraph> stand_in() { return std::make_unique<StandIn>(); }

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
  ops::register_device_graphs(c10::DeviceType::CPU, stand_in);
  StandIn::records = StandIn::replays = 0;
  EXPECT_EQ(answers(true, 300), expected);
  EXPECT_EQ(StandIn::records, 1) << "all caches are shorter than the first size";
  EXPECT_GT(StandIn::replays, 20);
}

}  // namespace
}  // namespace bt
