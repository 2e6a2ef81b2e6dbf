// The elementwise kernels of a layer on a GPU: against the references in fp64, with at most twice the error of the
// references in the kernel's own type.
#include <ATen/ATen.h>

#include "bt/ops/layer_ops.h"
#include "bt/ops/reference.h"
#include "ops/gpu_test_support.h"

namespace bt {
namespace {

class GpuElementwise : public testing::GpuTest {};

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16, at::kHalf};

at::Tensor random_on_gpu(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::TensorOptions(at::kCUDA)).to(type);
}

at::Tensor exact(const at::Tensor& x) { return x.to(at::kDouble); }

double error(const at::Tensor& found, const at::Tensor& expected) {
  return (exact(found) - expected).abs().max().item<double>();
}

void expect_close(const at::Tensor& kernel, const at::Tensor& plain, const at::Tensor& expected, const char* what) {
  EXPECT_EQ(kernel.scalar_type(), plain.scalar_type()) << what;
  EXPECT_LE(error(kernel, expected), 2 * error(plain, expected) + 1e-6 * expected.abs().max().item<double>()) << what;
}

TEST_F(GpuElementwise, NormsAndTheirGradients) {
  at::manual_seed(1);
  for (const at::ScalarType type : kTypes) {
    for (const int64_t width : {64, 576, 2048}) {
      const at::Tensor x = random_on_gpu({37, width}, type), residual = random_on_gpu({37, width}, type);
      const at::Tensor weight = random_on_gpu({width}, type), dy = random_on_gpu({37, width}, type);
      const NormConfig norm{.eps = 1e-5, .weight_offset = 1, .rounds_last = width == 576};
      const auto [sum, normed] = ops::add_rms_norm(x, residual, weight, norm);
      EXPECT_TRUE(at::equal(sum, x + residual));
      EXPECT_TRUE(at::equal(normed.y, ops::rms_norm(sum, weight, norm).y));
      const auto [y, scale] = ops::reference::rms_norm(sum, weight, 1e-5, 1, norm.rounds_last);
      const auto [exact_y, exact_scale] =
          ops::reference::rms_norm(exact(sum), exact(weight), 1e-5, 1, norm.rounds_last);
      expect_close(normed.y, y, exact_y, "y");
      const ops::NormGradients d = ops::rms_norm_backward(dy, residual, sum, weight, normed.scale, norm, true);
      const auto [dx, dweight] =
          ops::reference::rms_norm_backward(dy, residual, sum, weight, scale, 1, norm.rounds_last, true);
      const auto [exact_dx, exact_dweight] = ops::reference::rms_norm_backward(
          exact(dy), exact(residual), exact(sum), exact(weight), exact_scale, 1, norm.rounds_last, true);
      expect_close(d.dx, dx, exact_dx, "dx");
      expect_close(d.dweight, dweight, exact_dweight, "dweight");
      EXPECT_TRUE(
          at::equal(d.dweight, ops::rms_norm_backward(dy, residual, sum, weight, normed.scale, norm, true).dweight));
    }
  }
}

TEST_F(GpuElementwise, RotationOfSlices) {
  at::manual_seed(2);
  for (const at::ScalarType type : kTypes) {
    for (const int64_t width : {64, 128}) {
      const at::Tensor qkv = random_on_gpu({37, 8, width}, type), angle = random_on_gpu({37, width / 2}, at::kFloat);
      const at::Tensor cos = angle.cos().to(type), sin = angle.sin().to(type);
      const at::Tensor q = qkv.narrow(1, 0, 4), k = qkv.narrow(1, 4, 2), v = qkv.narrow(1, 6, 2);
      const auto [turned_q, turned_k] = ops::rotate_both(q, k, cos, sin, 1);
      expect_close(turned_q, ops::reference::rotate(q, cos, sin, 1),
                   ops::reference::rotate(exact(q), exact(cos), exact(sin), 1), "q");
      EXPECT_TRUE(at::equal(turned_k, ops::rotate(k, cos, sin, 1)));

      const at::Tensor slot = at::arange(37, q.options().dtype(at::kLong)).remainder(3);
      const at::Tensor row = at::arange(37, q.options().dtype(at::kLong)).floor_divide(3) - 1;
      const KvView cache{
          at::zeros({3, 2, 16, width}, q.options()), at::zeros({3, 2, 16, width}, q.options()), {}, {}, {}};
      const KvView expected{cache.k_BGTD.clone(), cache.v_BGTD.clone(), {}, {}, {}};
      EXPECT_TRUE(at::equal(ops::rotate_into_(cache, slot, row, q, k, v, cos, sin), turned_q));
      for (int64_t n = 3; n < 37; ++n) {
        expected.k_BGTD[n % 3].select(1, n / 3 - 1).copy_(turned_k[n]);
        expected.v_BGTD[n % 3].select(1, n / 3 - 1).copy_(v[n]);
      }
      EXPECT_TRUE(at::equal(cache.k_BGTD, expected.k_BGTD));
      EXPECT_TRUE(at::equal(cache.v_BGTD, expected.v_BGTD));
    }
  }
}

TEST_F(GpuElementwise, GatedActivationsOfHalves) {
  at::manual_seed(3);
  for (const at::ScalarType type : kTypes) {
    for (const auto& [activation, name] : {std::pair{Activation::silu, "silu"}, std::pair{Activation::gelu, "gelu"},
                                           std::pair{Activation::gelu_tanh, "gelu_tanh"}}) {
      const at::Tensor both = random_on_gpu({37, 2 * 1032}, type) * 3, d_out = random_on_gpu({37, 1032}, type);
      const at::Tensor gate = both.narrow(1, 0, 1032), up = both.narrow(1, 1032, 1032);
      expect_close(ops::gated_activation(activation, gate, up), ops::reference::gated_activation(gate, up, name),
                   ops::reference::gated_activation(exact(gate), exact(up), name), name);
      const auto [d_gate, d_up] = ops::gated_activation_backward(activation, d_out, gate, up);
      const auto [plain_gate, plain_up] = ops::reference::gated_activation_backward(d_out, gate, up, name);
      const auto [exact_gate, exact_up] =
          ops::reference::gated_activation_backward(exact(d_out), exact(gate), exact(up), name);
      expect_close(d_gate, plain_gate, exact_gate, name);
      expect_close(d_up, plain_up, exact_up, name);
    }
  }
}

}  // namespace
}  // namespace bt
