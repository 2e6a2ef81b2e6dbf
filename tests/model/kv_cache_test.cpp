#include "bt/model/kv_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/core/error.h"
#include "support/tiny.h"

namespace bt {
namespace {

constexpr int64_t kSlots = 3, kCapacity = 6;

at::Tensor longs(std::initializer_list<int64_t> values) {
  return at::tensor(at::ArrayRef<int64_t>(values.begin(), values.size()), at::kLong);
}

// Slots of 5, 0 and 3 rows in layer 1; an entry holds its slot's and row's number.
KvCache filled() {
  KvCache cache(testing::tiny_config(2), kSlots, kCapacity, c10::TensorOptions(at::kDouble));
  const at::Tensor slot_n = longs({0, 0, 0, 0, 0, 2, 2, 2}), offset_n = longs({0, 1, 2, 3, 4, 0, 1, 2});
  const at::Tensor entry = (slot_n * 10 + offset_n).to(at::kDouble).view({8, 1, 1}).expand({8, 2, 8});
  cache.append_(1, slot_n, offset_n, offset_n * 2, entry, -entry);
  cache.advance_(1, longs({0, 2}), longs({5, 3}));
  return cache;
}

std::vector<double> keys_of(const KvCache& cache, int64_t slot, int64_t rows) {
  const at::Tensor k = cache.view(1, kCapacity).k_BGTD[slot][1].select(1, 3).narrow(0, 0, rows).contiguous();
  return {k.data_ptr<double>(), k.data_ptr<double>() + rows};
}

std::vector<int64_t> positions_of(const KvCache& cache, int64_t slot, int64_t rows) {
  const at::Tensor position = cache.view(1, kCapacity).position_BT[slot].narrow(0, 0, rows).contiguous();
  return {position.data_ptr<int64_t>(), position.data_ptr<int64_t>() + rows};
}

TEST(KvCache, AppendsBehindEachSlotsRows) {
  const KvCache cache = filled();
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({5, 0, 3})));
  EXPECT_TRUE(cache.length_LB()[0].equal(longs({0, 0, 0})));
  EXPECT_EQ(keys_of(cache, 0, 5), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(keys_of(cache, 2, 3), (std::vector<double>{20, 21, 22}));
  EXPECT_EQ(positions_of(cache, 2, 3), (std::vector<int64_t>{0, 2, 4}));
}

TEST(KvCache, LengthsChangeOnlyWhenAdvanced) {
  KvCache cache = filled();
  cache.append_(1, longs({2}), longs({0}), longs({9}), at::full({1, 2, 8}, 23.0, at::kDouble),
                at::zeros({1, 2, 8}, at::kDouble));
  EXPECT_EQ(cache.length_LB()[1][2].item<int64_t>(), 3);
  EXPECT_EQ(keys_of(cache, 2, 4), (std::vector<double>{20, 21, 22, 23}));
}

TEST(KvCache, CompactsTheListedSlotsInOrder) {
  KvCache cache = filled();
  const at::Tensor keep =
      longs({0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1}).view({2, kCapacity}).to(at::kBool);  // beyond the length too
  cache.compact_(1, longs({2, 0}), keep.flip(0));
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({3, 0, 2})));
  EXPECT_EQ(keys_of(cache, 0, 3), (std::vector<double>{1, 2, 4}));
  EXPECT_EQ(positions_of(cache, 0, 3), (std::vector<int64_t>{2, 4, 8}));
  EXPECT_EQ(keys_of(cache, 2, 2), (std::vector<double>{20, 22}));
}

TEST(KvCache, CompactingASlotLeavesTheOthersAlone) {
  KvCache cache = filled();
  cache.compact_(1, longs({2}), at::zeros({1, kCapacity}, at::kBool));
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({5, 0, 0})));
  EXPECT_EQ(keys_of(cache, 0, 5), (std::vector<double>{0, 1, 2, 3, 4}));
}

TEST(KvCache, InsertsRowsInFrontOfAPlaceAndLeavesOtherSlotsAlone) {
  KvCache cache = filled();
  const at::Tensor entry = longs({70, 71, 72, 80, 81, 82}).to(at::kDouble).view({2, 1, 3, 1}).expand({2, 2, 3, 8});
  const at::Tensor position = longs({7, 8, 9, 17, 18, 19}).view({2, 3});
  const at::Tensor real = longs({1, 0, 1, 0, 1, 0}).view({2, 3}).to(at::kBool);
  cache.insert_(1, longs({2, 0}), longs({1, 0}), {entry, -entry, {}, position, {}}, real);
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({6, 0, 5})));
  EXPECT_TRUE(cache.length_LB()[0].equal(longs({0, 0, 0})));
  EXPECT_EQ(keys_of(cache, 2, 5), (std::vector<double>{20, 70, 72, 21, 22}));
  EXPECT_EQ(positions_of(cache, 2, 5), (std::vector<int64_t>{0, 7, 9, 2, 4}));
  EXPECT_EQ(keys_of(cache, 0, 6), (std::vector<double>{81, 0, 1, 2, 3, 4}));
  EXPECT_EQ(positions_of(cache, 0, 6), (std::vector<int64_t>{18, 0, 2, 4, 6, 8}));
  EXPECT_EQ(cache.view(1, kCapacity).v_BGTD[0][0][0][0].item<double>(), -81);
}

TEST(KvCache, InsertingNothingChangesNothing) {
  KvCache cache = filled();
  const at::Tensor none = at::zeros({1, 2, 0, 8}, at::kDouble);
  cache.insert_(1, longs({2}), longs({1}), {none, none, {}, at::zeros({1, 0}, at::kLong), {}},
                at::zeros({1, 0}, at::kBool));
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({5, 0, 3})));
  EXPECT_EQ(keys_of(cache, 2, 3), (std::vector<double>{20, 21, 22}));
}

TEST(KvCache, AClearedSlotIsEmptyAndItsNeighboursAreNot) {
  KvCache cache = filled();
  cache.clear_(0);
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({0, 0, 3})));
}

TEST(KvCache, AViewOfSlotsIsACopyAndAViewOfAllIsNot) {
  KvCache cache = filled();
  cache.view(1, 3, longs({2})).k_BGTD.zero_();
  EXPECT_EQ(keys_of(cache, 2, 3), (std::vector<double>{20, 21, 22}));
  cache.view(1, 3).k_BGTD[2].zero_();
  EXPECT_EQ(keys_of(cache, 2, 3), (std::vector<double>{0, 0, 0}));
}

TEST(KvCache, AViewOfLayersHoldsThemOneAfterTheOther) {
  const KvCache cache = filled();
  const KvView both = cache.view(LayerRange{0, 2}, 4), second = cache.view(1, 4);
  EXPECT_TRUE(both.k_BGTD.is_alias_of(second.k_BGTD)) << "a copy";
  EXPECT_TRUE(both.length_B.equal(longs({0, 0, 0, 5, 0, 3})));
  EXPECT_TRUE(both.k_BGTD.narrow(0, kSlots, kSlots).equal(second.k_BGTD));
  EXPECT_TRUE(both.position_BT.narrow(0, kSlots, kSlots).equal(second.position_BT));
  const KvView some = cache.view_in_place({0, 2}, 4, longs({2, 0}));
  EXPECT_TRUE(some.length_B.equal(longs({0, 0, 3, 5})));
  EXPECT_TRUE(some.place_B.equal(longs({2, 0, 5, 3})));
  EXPECT_TRUE(some.v_BGTD.is_alias_of(second.v_BGTD)) << "a copy";
  EXPECT_TRUE(some.v_BGTD[5].equal(second.v_BGTD[2]));
  EXPECT_TRUE(some.position_BT[3].equal(second.position_BT[0]));
}

TEST(KvCache, NextRowsTakePositionsWhereThereIsAToken) {
  KvCache cache = filled();
  cache.advance_(1, longs({0}), longs({1}));  // full
  EXPECT_TRUE(cache.next_rows_(longs({77, 78, 79}), longs({0, 1, 1})).equal(longs({-1, 0, 0, -1, 0, 3}).view({2, 3})));
  EXPECT_EQ(positions_of(cache, 0, 6), (std::vector<int64_t>{0, 2, 4, 6, 8, 0}));
  EXPECT_EQ(positions_of(cache, 1, 1), (std::vector<int64_t>{78}));
  EXPECT_EQ(positions_of(cache, 2, 4), (std::vector<int64_t>{0, 2, 4, 79}));
  EXPECT_TRUE(cache.length_LB()[1].equal(longs({6, 0, 3})));
}

TEST(KvCache, RefusesSizesThatHoldNothing) {
  for (const auto& [slots, capacity] : {std::pair<int64_t, int64_t>{0, 4}, {4, 0}, {-1, 4}}) {
    EXPECT_THROW(KvCache(testing::tiny_config(2), slots, capacity, c10::TensorOptions(at::kFloat)), Error);
  }
}

}  // namespace
}  // namespace bt
