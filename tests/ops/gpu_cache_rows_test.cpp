#include "bt/ops/reference.h"
#include "ops/gpu_test_support.h"
#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::random_normal;
using testing::strided;

class GpuCacheRows : public testing::GpuTest {};

struct Shape {
  int64_t events, slots, groups, rows, width;
};

constexpr Shape kShapes[] = {{1, 1, 1, 1, 1},    {1, 5, 2, 37, 64}, {19, 7, 2, 11, 6}, {19, 57, 8, 100, 64},
                             {3, 9, 4, 20, 128}, {2, 3, 3, 0, 8},   {2, 0, 3, 9, 8},   {0, 4, 3, 9, 8}};
constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16, at::kHalf};

int64_t entry(const Shape& n) { return 2 * n.groups * n.width; }

// Contiguous ones, ones with heads and rows apart, and ones whose heads do not lie side by side.
std::vector<KvView> caches(const Shape& n, at::ScalarType type) {
  const at::Tensor k = random_normal({n.events, n.groups, n.rows, n.width}, "k", type).cuda(),
                   v = random_normal({n.events, n.groups, n.rows, n.width}, "v", type).cuda();
  const auto apart = [](const at::Tensor& x) { return x.transpose(2, 3).contiguous().transpose(2, 3); };
  return {{k, v, {}, {}, {}}, {strided(k), v.clone(), {}, {}, {}}, {apart(k), strided(v), {}, {}, {}}};
}

// Different rows of every event in any order, some slots empty, and all of the last event.
at::Tensor some_rows(const Shape& n) {
  at::Tensor rows_EW = at::full({n.events, n.slots}, -1, at::kLong);
  for (int64_t e = 0; e + 1 < std::max<int64_t>(n.events, 2) && e < n.events; ++e) {
    const std::string name = "order " + std::to_string(e);
    const at::Tensor order_T = random_normal({n.rows}, name.c_str()).argsort();
    const int64_t count = std::min(n.slots, n.rows);
    rows_EW[e].narrow(0, 0, count).copy_(order_T.narrow(0, 0, count));
  }
  return rows_EW.masked_fill(random_normal({n.events, n.slots}, "empty") < -1, -1).cuda();
}

at::Tensor entries(const Shape& n, const char* name, at::ScalarType type) {
  return random_normal({n.events, n.slots, entry(n)}, name, type).cuda();
}

// Calls f(shape, cache, rows) for every shape, type and layout.
template <class F>
void each_case(const F& f) {
  for (const Shape& n : kShapes) {
    for (const at::ScalarType type : kTypes) {
      for (const KvView& kv : caches(n, type)) {
        SCOPED_TRACE(::testing::Message() << "events " << n.events << ", slots " << n.slots << ", width " << n.width
                                          << ", " << c10::toString(type) << ", strides " << kv.k_BGTD.strides());
        f(n, kv, some_rows(n));
      }
    }
  }
}

KvView copy(const KvView& kv) {
  const auto same_layout = [](const at::Tensor& x) {
    return at::empty_strided(x.sizes(), x.strides(), x.options()).copy_(x);
  };
  return {same_layout(kv.k_BGTD), same_layout(kv.v_BGTD), {}, {}, {}};
}

TEST_F(GpuCacheRows, HaveKernels) {
  for (const char* op : {"bt::gather_rows", "bt::edit_rows_", "bt::put_rows"})
    EXPECT_TRUE(testing::has_kernel(op)) << op;
}

TEST_F(GpuCacheRows, GathersAsTheReferenceDoes) {
  each_case([](const Shape&, const KvView& kv, const at::Tensor& rows_EW) {
    EXPECT_TRUE(ops::gather_rows(kv, rows_EW).equal(ops::reference::gather_rows(kv.k_BGTD, kv.v_BGTD, rows_EW)));
  });
}

// Every other sequence, from the last on.
TEST_F(GpuCacheRows, FindSequencesInTheirPlaces) {
  each_case([](const Shape& n, const KvView& kv, const at::Tensor& rows) {
    const int64_t events = (n.events + 1) / 2;
    const at::Tensor rows_EW = rows.narrow(0, 0, events);
    const auto half = [&](const at::Tensor& x) { return x.narrow(0, 0, events); };
    KvView placed = kv;
    placed.place_B = n.events - 1 - 2 * at::arange(events, rows.options());
    EXPECT_TRUE(ops::gather_rows(placed, rows_EW)
                    .equal(ops::reference::gather_rows(kv.k_BGTD, kv.v_BGTD, rows_EW, placed.place_B)));
    const at::ScalarType type = kv.k_BGTD.scalar_type();
    const at::Tensor u = half(entries(n, "u", type)), delta = half(entries(n, "delta", at::kFloat)),
                     gate = random_normal({1}, "gate", at::kFloat).cuda();
    const KvView edited = copy(kv), expected = copy(kv);
    ops::edit_rows_({edited.k_BGTD, edited.v_BGTD, {}, {}, {}, placed.place_B}, rows_EW, u, delta, gate);
    ops::reference::edit_rows_(expected.k_BGTD, expected.v_BGTD, rows_EW, u, delta, gate, placed.place_B);
    EXPECT_TRUE(edited.k_BGTD.equal(expected.k_BGTD) && edited.v_BGTD.equal(expected.v_BGTD));
  });
}

TEST_F(GpuCacheRows, PutsAsTheReferenceDoes) {
  each_case([](const Shape& n, const KvView& kv, const at::Tensor& rows_EW) {
    const KvView before = copy(kv);
    const at::Tensor new_EWC = entries(n, "new", kv.k_BGTD.scalar_type());
    const auto [k, v] = ops::put_rows(kv, rows_EW, new_EWC);
    const auto [k_expected, v_expected] = ops::reference::put_rows(kv.k_BGTD, kv.v_BGTD, rows_EW, new_EWC);
    EXPECT_TRUE(k.equal(k_expected) && v.equal(v_expected));
    EXPECT_TRUE(kv.k_BGTD.equal(before.k_BGTD) && kv.v_BGTD.equal(before.v_BGTD));
  });
}

// The same bits: product and sum are rounded as ATen rounds them.
void expect_edit(const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& u_EWC, const at::Tensor& delta_EWC,
                 const at::Tensor& gate) {
  const KvView edited = copy(kv), expected = copy(kv);
  ops::edit_rows_(edited, rows_EW, u_EWC, delta_EWC, gate);
  ops::reference::edit_rows_(expected.k_BGTD, expected.v_BGTD, rows_EW, u_EWC, delta_EWC, gate);
  EXPECT_TRUE(edited.k_BGTD.equal(expected.k_BGTD) && edited.v_BGTD.equal(expected.v_BGTD));
}

TEST_F(GpuCacheRows, EditsAsTheReferenceDoes) {
  each_case([](const Shape& n, const KvView& kv, const at::Tensor& rows_EW) {
    const at::ScalarType type = kv.k_BGTD.scalar_type();
    const at::Tensor gate = random_normal({1}, "gate", at::kFloat).cuda();
    for (const at::ScalarType of_delta : {at::kFloat, type}) {
      expect_edit(kv, rows_EW, entries(n, "u", type), entries(n, "delta", of_delta), gate);
      expect_edit(kv, rows_EW, entries(n, "u", at::kFloat), entries(n, "delta", of_delta), gate);
    }
  });
}

TEST_F(GpuCacheRows, EditsByAGateOfEveryShape) {
  for (const Shape& n : {Shape{19, 7, 2, 11, 6}, Shape{3, 9, 4, 20, 64}}) {
    const KvView kv = caches(n, at::kBFloat16)[1];
    const at::Tensor u_EWC = entries(n, "u", at::kBFloat16), delta_EWC = entries(n, "delta", at::kFloat);
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{},
                                              {1},
                                              {1, 1, 1},
                                              {n.events, 1, 1},
                                              {n.slots, 1},
                                              {1, 1, entry(n)},
                                              {n.events, 1, entry(n)},
                                              {n.events, n.slots, entry(n)}}) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
        expect_edit(kv, some_rows(n), u_EWC, delta_EWC, random_normal(shape, "gate", type).cuda());
    }
    const at::Tensor turned = random_normal({entry(n), n.events}, "gate", at::kFloat).cuda().t().unsqueeze(1);
    expect_edit(kv, some_rows(n), u_EWC, delta_EWC, turned);
  }
}

TEST_F(GpuCacheRows, EditingCountsAsAChange) {
  const Shape n{2, 3, 2, 9, 64};
  const KvView kv = caches(n, at::kBFloat16)[0];
  const at::Tensor u_EWC = entries(n, "u", at::kBFloat16);
  const auto before = kv.k_BGTD._version();
  ops::edit_rows_(kv, some_rows(n), u_EWC, u_EWC, at::ones({1}, u_EWC.options()));
  EXPECT_GT(kv.k_BGTD._version(), before);
}

// First and second derivatives of a sum of squares of f's outputs, each weighted, by all inputs.
using Composition = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;
std::vector<at::Tensor> derivatives(const Composition& f, const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().requires_grad_());
  const auto weighted = [](const std::vector<at::Tensor>& x, const char* name) {
    at::Tensor sum = at::zeros({}, x[0].options());
    for (const at::Tensor& part : x)
      sum = sum + (part * part * random_normal(part.sizes(), name, part.scalar_type()).cuda()).sum();
    return sum;
  };
  std::vector<at::Tensor> out =
      torch::autograd::grad({weighted(f(leaves), "first")}, leaves, {}, /*retain_graph=*/true, /*create_graph=*/true);
  for (const at::Tensor& second : torch::autograd::grad({weighted(out, "second")}, leaves)) out.push_back(second);
  return out;
}

void expect_equal_derivatives(const Composition& f, const Composition& g, const std::vector<at::Tensor>& inputs) {
  const std::vector<at::Tensor> found = derivatives(f, inputs), expected = derivatives(g, inputs);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].equal(expected[i])) << "input " << i;
}

TEST_F(GpuCacheRows, GatheringHasTheReferencesDerivatives) {
  each_case([](const Shape& n, const KvView& kv, const at::Tensor& rows_EW) {
    if (n.rows == 0) return;  // of which the reference records nothing
    expect_equal_derivatives(
        [&](const auto& x) {
          return std::vector<at::Tensor>{ops::gather_rows({x[0], x[1], {}, {}, {}}, rows_EW)};
        },
        [&](const auto& x) { return std::vector<at::Tensor>{ops::reference::gather_rows(x[0], x[1], rows_EW)}; },
        {kv.k_BGTD, kv.v_BGTD});
  });
}

TEST_F(GpuCacheRows, PuttingHasTheReferencesDerivatives) {
  each_case([](const Shape& n, const KvView& kv, const at::Tensor& rows_EW) {
    const auto both = [](const std::tuple<at::Tensor, at::Tensor>& kv_pair) {
      return std::vector<at::Tensor>{std::get<0>(kv_pair), std::get<1>(kv_pair)};
    };
    expect_equal_derivatives(
        [&](const auto& x) {
          return both(ops::put_rows({x[0], x[1], {}, {}, {}}, rows_EW, x[2]));
        },
        [&](const auto& x) { return both(ops::reference::put_rows(x[0], x[1], rows_EW, x[2])); },
        {kv.k_BGTD, kv.v_BGTD, entries(n, "new", kv.k_BGTD.scalar_type())});
  });
}

TEST_F(GpuCacheRows, PuttingIntoACacheWithoutGradientHasThatOfTheNewRows) {
  const Shape n{3, 5, 2, 9, 64};
  const KvView kv = caches(n, at::kFloat)[0];
  const at::Tensor rows_EW = some_rows(n), new_EWC = entries(n, "new", at::kFloat).requires_grad_();
  const auto [k, v] = ops::put_rows(kv, rows_EW, new_EWC);
  const at::Tensor d_EWC = torch::autograd::grad({k.sum() + 2 * v.sum()}, {new_EWC})[0];
  const at::Tensor halves = at::cat({at::ones({entry(n) / 2}), at::full({entry(n) / 2}, 2.)}).cuda();
  EXPECT_TRUE(d_EWC.equal(halves * (rows_EW >= 0).unsqueeze(2)));
}

}  // namespace
}  // namespace bt
