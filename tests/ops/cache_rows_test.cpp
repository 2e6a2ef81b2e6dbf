#include "bt/ops/reference.h"
#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::random_normal;
using testing::strided;

constexpr int64_t kEvents = 3, kGroups = 2, kRows = 7, kWidth = 3, kEntry = 2 * kGroups * kWidth;

KvView cache(at::ScalarType dtype = at::kDouble) {
  return {strided(random_normal({kEvents, kGroups, kRows, kWidth}, "k", dtype)),
          strided(random_normal({kEvents, kGroups, kRows, kWidth}, "v", dtype)),
          {},
          {},
          {}};
}

at::Tensor some_rows() { return at::tensor({0, 6, -1, 3, -1, -1, 2, 5, 1}, at::kLong).view({kEvents, 3}); }

// [k heads | v heads] of one row.
at::Tensor entry(const KvView& kv, int64_t event, int64_t row) {
  return at::cat({kv.k_BGTD[event].select(1, row).reshape({-1}), kv.v_BGTD[event].select(1, row).reshape({-1})});
}

KvView copy(const KvView& kv) { return {kv.k_BGTD.clone(), kv.v_BGTD.clone(), {}, {}, {}}; }

// Calls f(event, slot, row) for every slot that names a row.
template <class F>
void each_row(const at::Tensor& rows_EW, const F& f) {
  for (int64_t e = 0; e < rows_EW.size(0); ++e) {
    for (int64_t w = 0; w < rows_EW.size(1); ++w) {
      if (rows_EW[e][w].item<int64_t>() >= 0) f(e, w, rows_EW[e][w].item<int64_t>());
    }
  }
}

void expect_equal_caches(const KvView& a, const KvView& b) {
  EXPECT_TRUE(a.k_BGTD.equal(b.k_BGTD));
  EXPECT_TRUE(a.v_BGTD.equal(b.v_BGTD));
}

TEST(GatherRows, PutsKeysAndValuesSideBySide) {
  const KvView kv = cache();
  const at::Tensor rows_EW = some_rows(), u_EWC = ops::gather_rows(kv, rows_EW);
  ASSERT_EQ(u_EWC.sizes(), (std::vector<int64_t>{kEvents, 3, kEntry}));
  at::Tensor expected = at::zeros_like(u_EWC);
  each_row(rows_EW, [&](int64_t e, int64_t w, int64_t row) { expected[e][w] = entry(kv, e, row); });
  EXPECT_TRUE(u_EWC.equal(expected));
}

// Sequences of a cache, and the same as a cache of their own.
struct Placed {
  KvView in_place = cache(), own;
  explicit Placed(const at::Tensor& place_E) {
    in_place.place_B = place_E;
    own = {in_place.k_BGTD.index_select(0, place_E), in_place.v_BGTD.index_select(0, place_E), {}, {}, {}};
  }
};

TEST(GatherRows, FindsSequencesInTheirPlaces) {
  const Placed caches(at::tensor({2, 0, 2, 1}, at::kLong));
  const at::Tensor rows_EW = at::tensor({0, 6, -1, 3, 1, 5, -1, -1}, at::kLong).view({4, 2}),
                   expected = ops::gather_rows(caches.own, rows_EW);
  EXPECT_TRUE(ops::gather_rows(caches.in_place, rows_EW).equal(expected));
  KvView recorded = caches.in_place;
  recorded.k_BGTD = recorded.k_BGTD.clone().requires_grad_();
  EXPECT_TRUE(ops::gather_rows(recorded, rows_EW).detach().equal(expected));
  KvView nowhere = caches.in_place;
  nowhere.place_B = at::full({4}, kEvents, at::kLong);
  EXPECT_THROW(ops::gather_rows(nowhere, rows_EW), c10::Error);
}

TEST(EditRows, FindsSequencesInTheirPlaces) {
  const at::Tensor place_E = at::tensor({2, 0}, at::kLong), rows_EW = at::tensor({4, -1, 0, 6}, at::kLong).view({2, 2});
  const at::Tensor u = random_normal({2, 2, kEntry}, "u"), delta = random_normal({2, 2, kEntry}, "delta"),
                   gate = at::full({1}, 0.5, at::kDouble);
  const Placed caches(place_E);
  KvView expected = copy(caches.in_place);
  ops::edit_rows_(caches.own, rows_EW, u, delta, gate);
  expected.k_BGTD.index_copy_(0, place_E, caches.own.k_BGTD);
  expected.v_BGTD.index_copy_(0, place_E, caches.own.v_BGTD);
  KvView readable = copy(caches.in_place);
  ops::reference::edit_rows_(readable.k_BGTD, readable.v_BGTD, rows_EW, u, delta, gate, place_E);
  expect_equal_caches(readable, expected);
  ops::edit_rows_(caches.in_place, rows_EW, u, delta, gate);
  expect_equal_caches(caches.in_place, expected);
}

TEST(GatherRows, TakesEmptySizes) {
  const KvView kv = cache();
  EXPECT_EQ(ops::gather_rows(kv, at::empty({kEvents, 0}, at::kLong)).sizes(),
            (std::vector<int64_t>{kEvents, 0, kEntry}));
  const KvView no_rows{kv.k_BGTD.narrow(2, 0, 0), kv.v_BGTD.narrow(2, 0, 0), {}, {}, {}};
  EXPECT_EQ(ops::gather_rows(no_rows, at::full({kEvents, 2}, -1, at::kLong)).abs().max().item<double>(), 0);
  const KvView no_events{kv.k_BGTD.narrow(0, 0, 0), kv.v_BGTD.narrow(0, 0, 0), {}, {}, {}};
  EXPECT_EQ(ops::gather_rows(no_events, at::empty({0, 3}, at::kLong)).sizes(), (std::vector<int64_t>{0, 3, kEntry}));
}

TEST(GatherRows, IsTheSameWithAndWithoutARecordedGradient) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const KvView kv = cache(type);
    const KvView recorded{kv.k_BGTD.detach().clone().requires_grad_(), kv.v_BGTD, {}, {}, {}};
    EXPECT_TRUE(ops::gather_rows(kv, some_rows()).equal(ops::gather_rows(recorded, some_rows()).detach()));
  }
}

TEST(GatherRows, RefusesARowThatIsNotThere) {
  const KvView kv = cache();
  EXPECT_THROW(ops::gather_rows(kv, at::full({kEvents, 1}, kRows, at::kLong)), c10::Error);
  const at::Tensor entry = at::zeros({kEvents, 1, kEntry}, at::kDouble);
  EXPECT_THROW(ops::edit_rows_(kv, at::full({kEvents, 1}, kRows, at::kLong), entry, entry, at::ones({1}, at::kDouble)),
               c10::Error);
}

TEST(GatherRows, RefusesShapesThatDoNotFit) {
  const KvView kv = cache();
  EXPECT_THROW(ops::gather_rows(kv, at::zeros({kEvents + 1, 1}, at::kLong)), c10::Error);
  EXPECT_THROW(ops::gather_rows(kv, at::zeros({kEvents}, at::kLong)), c10::Error);
  EXPECT_THROW(ops::gather_rows(kv, at::zeros({kEvents, 1}, at::kInt)), c10::Error);
  EXPECT_THROW(ops::gather_rows({kv.k_BGTD, kv.v_BGTD.narrow(2, 0, 1), {}, {}, {}}, some_rows()), c10::Error);
  EXPECT_THROW(ops::gather_rows({kv.k_BGTD, kv.v_BGTD.to(at::kFloat), {}, {}, {}}, some_rows()), c10::Error);
  KvView placed = kv;
  placed.place_B = at::zeros({kEvents - 1}, at::kLong);
  EXPECT_THROW(ops::gather_rows(placed, some_rows()), c10::Error);
}

TEST(EditRows, RefusesShapesThatDoNotFit) {
  const KvView kv = cache(), before = copy(kv);
  const at::Tensor rows_EW = some_rows(), entries = at::zeros({kEvents, 3, kEntry}, at::kDouble),
                   gate = at::ones({1}, at::kDouble);
  for (const at::Tensor& bad : {entries.narrow(0, 0, 1), entries.narrow(1, 0, 2), entries.narrow(2, 0, kEntry - 1)}) {
    EXPECT_THROW(ops::edit_rows_(kv, rows_EW, bad, entries, gate), c10::Error) << bad.sizes();
    EXPECT_THROW(ops::edit_rows_(kv, rows_EW, entries, bad, gate), c10::Error) << bad.sizes();
  }
  KvView placed = kv;
  placed.place_B = at::zeros({kEvents - 1}, at::kLong);
  EXPECT_THROW(ops::edit_rows_(placed, rows_EW, entries, entries, gate), c10::Error);
  expect_equal_caches(kv, before);
}

TEST(GatherRows, GradientsEqualDifferences) {
  const KvView kv = cache();
  testing::expect_gradients(
      [&](const std::vector<at::Tensor>& x) {
        return ops::gather_rows({x[0], x[1], {}, {}, {}}, some_rows());
      },
      {kv.k_BGTD.contiguous(), kv.v_BGTD.contiguous()});
}

TEST(PutRows, WritesTheNamedRowsOfACopy) {
  const KvView kv = cache(), before = copy(kv);
  const at::Tensor rows_EW = some_rows(), new_EWC = random_normal({kEvents, 3, kEntry}, "new");
  KvView expected = copy(kv);
  each_row(rows_EW, [&](int64_t e, int64_t w, int64_t row) {
    const at::Tensor halves = new_EWC[e][w].view({2, kGroups, kWidth});
    expected.k_BGTD[e].select(1, row).copy_(halves[0]);
    expected.v_BGTD[e].select(1, row).copy_(halves[1]);
  });
  const auto [k, v] = ops::put_rows(kv, rows_EW, new_EWC);
  expect_equal_caches({k, v, {}, {}, {}}, expected);
  expect_equal_caches(kv, before);
}

TEST(PutRows, GradientsEqualDifferences) {
  const KvView kv = cache();
  testing::expect_gradients(
      [&](const std::vector<at::Tensor>& x) {
        const auto [k, v] = ops::put_rows({x[0], x[1], {}, {}, {}}, some_rows(), x[2]);
        return at::stack({k, v});
      },
      {kv.k_BGTD.contiguous(), kv.v_BGTD.contiguous(), random_normal({kEvents, 3, kEntry}, "new")});
}

TEST(EditRows, AddsTheGatedChangeInPlaceAndLeavesOtherRows) {
  const KvView kv = cache();
  KvView expected = copy(kv);
  const at::Tensor rows_EW = some_rows(), u_EWC = ops::gather_rows(kv, rows_EW),
                   delta_EWC = random_normal({kEvents, 3, kEntry}, "delta");
  each_row(rows_EW, [&](int64_t e, int64_t w, int64_t row) {
    const at::Tensor change = 0.25 * delta_EWC[e][w].view({2, kGroups, kWidth});
    expected.k_BGTD[e].select(1, row).add_(change[0]);
    expected.v_BGTD[e].select(1, row).add_(change[1]);
  });
  ops::edit_rows_(kv, rows_EW, u_EWC, delta_EWC, at::full({1}, 0.25, at::kDouble));
  testing::expect_near(kv.k_BGTD, expected.k_BGTD, 1e-15);
  testing::expect_near(kv.v_BGTD, expected.v_BGTD, 1e-15);
}

TEST(EditRows, TakesAGateOfEveryShapeThatBroadcasts) {
  const at::Tensor rows_EW = some_rows(), delta_EWC = random_normal({kEvents, 3, kEntry}, "delta");
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{1, 1, 1}, {kEvents, 1, 1}, {3, 1}, {kEvents, 3, kEntry}}) {
    const KvView kv = cache();
    const at::Tensor u_EWC = ops::gather_rows(kv, rows_EW), gate = random_normal(shape, "gate");
    ops::edit_rows_(kv, rows_EW, u_EWC, delta_EWC, gate);
    const at::Tensor expected = (u_EWC + gate * delta_EWC).masked_fill((rows_EW < 0).unsqueeze(2), 0);
    testing::expect_near(ops::gather_rows(kv, rows_EW), expected, 1e-15);
  }
}

TEST(EditRows, RoundsOnceToTheCachesType) {
  const KvView kv = cache(at::kBFloat16);
  const at::Tensor rows_EW = some_rows(), u_EWC = ops::gather_rows(kv, rows_EW),
                   delta_EWC = random_normal({kEvents, 3, kEntry}, "delta", at::kFloat);
  ops::edit_rows_(kv, rows_EW, u_EWC, delta_EWC, at::full({1}, 0.3f, at::kFloat));
  const at::Tensor expected = (u_EWC.to(at::kFloat) + 0.3f * delta_EWC).to(at::kBFloat16);
  const at::Tensor named = (rows_EW >= 0).unsqueeze(2);
  EXPECT_TRUE(ops::gather_rows(kv, rows_EW).equal(expected.masked_fill(named.logical_not(), 0)));
}

TEST(EditRows, OfNoRowsChangesNothing) {
  const KvView kv = cache(), before = copy(kv);
  const at::Tensor none = at::full({kEvents, 2}, -1, at::kLong), ones = at::ones({kEvents, 2, kEntry}, at::kDouble);
  ops::edit_rows_(kv, none, ones, ones, at::ones({1}, at::kDouble));
  ops::edit_rows_(kv, none.narrow(1, 0, 0), ones.narrow(1, 0, 0), ones.narrow(1, 0, 0), at::ones({1}, at::kDouble));
  expect_equal_caches(kv, before);
}

}  // namespace
}  // namespace bt
