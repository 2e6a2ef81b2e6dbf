#include "bt/ops/reference.h"
#include "ops/gpu_test_support.h"
#include "ops/ops_test_support.h"

namespace bt {
namespace {

using testing::CacheProblem;
using testing::CacheShape;

// A problem whose numbers are of the type, as doubles on the CPU, and the same on the device.
struct Problems {
  CacheProblem exact, device;
  explicit Problems(const CacheShape& shape) : exact(testing::random_problem(shape)) {
    CacheProblem& p = exact;
    for (at::Tensor* x : {&p.q_BSHD, &p.kv.k_BGTD, &p.kv.v_BGTD}) *x = x->to(at::kDouble).contiguous();
    const auto there = [](const at::Tensor& x) { return x.defined() ? x.to(at::kCUDA) : x; };
    const auto half = [&](const at::Tensor& x) { return there(x).to(shape.dtype); };
    device = {
        half(p.q_BSHD),
        there(p.query_length_B),
        {half(p.kv.k_BGTD), half(p.kv.v_BGTD), there(p.kv.length_B), there(p.kv.position_BT), there(p.kv.alive_BT)},
        p.spec};
  }
};

struct Results {
  std::vector<at::Tensor> all;  // out, lse, mass, d_q, d_k, d_v
};

// By the operators, which take the kernels on the device; or by the reference.
template <class Attend, class Mass>
Results results(const CacheProblem& p, const Attend& attend, const Mass& mass) {
  const at::Tensor q = p.q_BSHD.clone().requires_grad_(), k = p.kv.k_BGTD.clone().requires_grad_(),
                   v = p.kv.v_BGTD.clone().requires_grad_();
  const auto [out, lse] = attend(q, k, v);
  const auto d = torch::autograd::grad({out}, {q, k, v}, {at::ones_like(out) + out.detach()});
  at::NoGradGuard no_grad;
  return {{out.detach(), lse.detach(), mass(lse.detach()), d[0], d[1], d[2]}};
}

Results by_operators(const CacheProblem& p) {
  return results(
      p,
      [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        KvView kv = p.kv;
        kv.k_BGTD = k, kv.v_BGTD = v;
        const ops::Attended attended = ops::segment_attention(q, p.query_length_B, kv, p.spec);
        return std::pair(attended.out_BSHD, attended.lse_BSH);
      },
      [&](const at::Tensor& lse) {
        return ops::attention_mass(p.q_BSHD, lse, p.query_length_B, p.query_length_B, p.kv, p.spec);
      });
}

Results by_reference(const CacheProblem& p) {
  const auto alive = p.kv.alive_BT.defined() ? std::optional(p.kv.alive_BT) : std::nullopt;
  return results(
      p,
      [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        const auto [out, lse] =
            ops::reference::segment_attention(q, p.query_length_B, k, v, p.kv.length_B, p.kv.position_BT, alive,
                                              p.spec.scale, p.spec.softcap, p.spec.window);
        return std::pair(out, lse);
      },
      [&](const at::Tensor& lse) {
        return ops::reference::attention_mass(p.q_BSHD, lse, p.query_length_B, p.query_length_B, p.kv.k_BGTD,
                                              p.kv.length_B, p.kv.position_BT, alive, p.spec.scale, p.spec.softcap,
                                              p.spec.window);
      });
}

using GpuAttentionKernels = testing::GpuTest;
class GpuAttention : public testing::GpuTest, public ::testing::WithParamInterface<CacheShape> {};

TEST_P(GpuAttention, ErrsAtMostTwiceAsMuchAsTheReferenceInTheSameType) {
  const Problems p(GetParam());
  const Results exact = by_reference(p.exact), found = by_operators(p.device), again = by_operators(p.device),
                plain = by_reference(p.device);
  EXPECT_EQ(ops::attention_has_kernel(p.device.q_BSHD, p.device.kv.k_BGTD),
            GetParam().name.find("without_a_kernel") == std::string::npos);
  const char* names[] = {"out", "lse", "mass", "d_q", "d_k", "d_v"};
  for (size_t i = 0; i < exact.all.size(); ++i) {
    const auto error = [&](const Results& r) {
      const at::Tensor difference = r.all[i].cpu().to(at::kDouble) - exact.all[i];
      return difference.nan_to_num(0).abs().max().item<double>();  // -inf - -inf: a blind query's log-sum-exp
    };
    EXPECT_TRUE(found.all[i].isfinite().cpu().equal(exact.all[i].isfinite())) << names[i];
    EXPECT_LE(error(found), 2 * error(plain) + 1e-6) << names[i];
    EXPECT_TRUE(found.all[i].equal(again.all[i])) << names[i] << " differs from run to run";
  }
}

TEST_P(GpuAttention, GradientsOfAPagedCacheAreThoseOfItsRows) {
  const Problems problems(GetParam());
  const CacheProblem& p = problems.device;
  const testing::PagedProblem paged = testing::paged(p);
  const ops::Attended attended = ops::segment_attention(p.q_BSHD, p.query_length_B, p.kv, p.spec);
  const at::Tensor d_out = attended.out_BSHD + 1;
  const ops::AttentionGradients whole =
      ops::segment_attention_backward(d_out, p.q_BSHD, p.query_length_B, p.kv, p.spec, attended);
  const ops::PagedGradients found =
      ops::paged_attention_backward(d_out, p.q_BSHD, p.query_length_B, paged.kv, paged.rows_BW, p.spec, attended);
  const at::Tensor rows = ops::gather_rows({whole.k_BGTD, whole.v_BGTD, {}, {}, {}}, paged.rows_BW);
  EXPECT_TRUE(found.q_BSHD.allclose(whole.q_BSHD, 1e-6, 1e-6));
  EXPECT_TRUE(found.rows_BWC.allclose(rows, 1e-6, 1e-6));
}

TEST_F(GpuAttentionKernels, FindKeysInTheirPlaces) {
  for (const int64_t width : {64, 80}) {  // with a kernel and without
    CacheProblem p = Problems({.name = "places", .width = width, .dtype = at::kBFloat16}).device;
    const at::Tensor lse = ops::segment_attention(p.q_BSHD, p.query_length_B, p.kv, p.spec).lse_BSH;
    const auto mass = [&] {
      return ops::attention_mass(p.q_BSHD, lse, p.query_length_B, p.query_length_B, p.kv, p.spec);
    };
    const at::Tensor expected = mass();
    p.kv.place_B = p.q_BSHD.size(0) - 1 - at::arange(p.q_BSHD.size(0), p.kv.length_B.options());
    p.kv.k_BGTD = p.kv.k_BGTD.flip(0);
    EXPECT_TRUE(mass().equal(expected)) << width;
  }
}

TEST_F(GpuAttentionKernels, AreThere) {
  for (const char* op : {"bt::segment_attention", "bt::segment_attention_backward", "bt::paged_attention_backward",
                         "bt::attention_mass"}) {
    EXPECT_TRUE(testing::has_kernel(op)) << op;
  }
}

std::vector<CacheShape> shapes() {
  std::vector<CacheShape> all;
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    const std::string type = c10::toString(dtype);
    for (const int64_t width : {64, 128}) {
      const std::string name = type + "_" + std::to_string(width);
      all.push_back({.name = name, .queries = 25, .rows = 300, .heads = 8, .width = width, .dtype = dtype});
      all.push_back(
          {.name = name + "_decoding", .batch = 19, .queries = 1, .rows = 1000, .width = width, .dtype = dtype});
      all.push_back({.name = name + "_everything",
                     .batch = 5,
                     .queries = 64,
                     .rows = 333,
                     .heads = 6,
                     .width = width,
                     .softcap = 1.2,
                     .window = 70,
                     .dead_rows = true,
                     .dtype = dtype});
    }
  }
  all.push_back({.name = "width_without_a_kernel", .width = 80, .dtype = at::kBFloat16});
  all.push_back({.name = "float_without_a_kernel", .width = 64, .dtype = at::kFloat});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, GpuAttention, ::testing::ValuesIn(shapes()),
                         [](const ::testing::TestParamInfo<CacheShape>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
