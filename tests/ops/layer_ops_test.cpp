// The layer's operators as every device has them, and the rules that they share with the model's loops.
#include "bt/ops/layer_ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <tuple>

namespace bt {
namespace {

// What autograd makes of the composition, given the gradients of its outputs.
std::vector<at::Tensor> by_autograd(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& d_outputs,
                                    const std::vector<at::Tensor>& leaves) {
  at::Tensor total = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < outputs.size(); ++i) total = total + (outputs[i] * d_outputs[i]).sum();
  for (at::Tensor leaf : leaves) leaf.mutable_grad() = at::Tensor();
  total.backward();
  std::vector<at::Tensor> out;
  for (const at::Tensor& leaf : leaves) out.push_back(leaf.grad());
  return out;
}

at::Tensor leaf(at::IntArrayRef shape) { return at::randn(shape, at::kDouble).requires_grad_(true); }

TEST(LayerOps, SumAndNormHaveTheGradientsOfTheComposition) {
  at::manual_seed(1);
  const at::Tensor x = leaf({3, 4, 8}), residual = leaf({3, 4, 8}), weight = leaf({8});
  const at::Tensor d_sum = at::randn({3, 4, 8}, at::kDouble), dy = at::randn({3, 4, 8}, at::kDouble);
  const at::Tensor sum = x + residual;
  const at::Tensor y = sum * (sum.square().mean(-1, true) + 1e-5).rsqrt() * (weight + 1);
  const NormConfig norm{.eps = 1e-5, .weight_offset = 1};
  const ops::SumNormed found = ops::add_rms_norm(x, residual, weight, norm);
  EXPECT_TRUE(at::equal(found.sum, sum));
  EXPECT_TRUE(at::allclose(found.normed.y, y, 1e-12, 1e-12));
  const ops::NormGradients d =
      ops::rms_norm_backward(dy, d_sum, found.sum, weight, found.normed.scale, norm, /*wants_dweight=*/true);
  const std::vector<at::Tensor> expected = by_autograd({sum, y}, {d_sum, dy}, {x, residual, weight});
  EXPECT_TRUE(at::allclose(d.dx, expected[0], 1e-9, 1e-12));
  EXPECT_TRUE(at::allclose(d.dx, expected[1], 1e-9, 1e-12));
  EXPECT_TRUE(at::allclose(d.dweight, expected[2], 1e-9, 1e-12));
  EXPECT_FALSE(ops::rms_norm_backward(dy, {}, found.sum, weight, found.normed.scale, norm, false).dweight.defined());
}

TEST(LayerOps, GatedActivationsHaveTheGradientsOfTheComposition) {
  at::manual_seed(2);
  const at::Tensor gate = leaf({5, 8}), up = leaf({5, 8}), d_out = at::randn({5, 8}, at::kDouble);
  for (const auto& [activation, activated] :
       {std::pair{Activation::silu, at::silu(gate)}, std::pair{Activation::gelu, at::gelu(gate)},
        std::pair{Activation::gelu_tanh, at::gelu(gate, "tanh")}}) {
    const at::Tensor product = activated * up;
    EXPECT_TRUE(at::equal(ops::gated_activation(activation, gate, up), product));
    const auto [d_gate, d_up] = ops::gated_activation_backward(activation, d_out, gate, up);
    const std::vector<at::Tensor> expected = by_autograd({product}, {d_out}, {gate, up});
    EXPECT_TRUE(at::allclose(d_gate, expected[0], 1e-9, 1e-12));
    EXPECT_TRUE(at::allclose(d_up, expected[1], 1e-9, 1e-12));
  }
  EXPECT_THROW(ops::activation_of("relu"), c10::Error);
}

TEST(LayerOps, RotationIsUndoneAndPacksIntoACache) {
  at::manual_seed(3);
  const at::Tensor q = at::randn({4, 3, 8}), k = at::randn({4, 2, 8}), v = at::randn({4, 2, 8});
  const at::Tensor angle = at::randn({4, 4}), cos = angle.cos(), sin = angle.sin();
  const auto [turned_q, turned_k] = ops::rotate_both(q, k, cos, sin, 1);
  EXPECT_TRUE(at::equal(turned_q, ops::rotate(q, cos, sin, 1)));
  EXPECT_TRUE(at::allclose(ops::rotate(turned_k, cos, sin, -1), k, 1e-5, 1e-5));

  const KvView cache{at::zeros({2, 2, 5, 8}), at::zeros({2, 2, 5, 8}), {}, {}, {}};
  const std::vector<int64_t> slot = {1, 0, 0, 1}, row = {4, -1, 0, 2};
  const at::Tensor found = ops::rotate_into_(cache, at::tensor(slot), at::tensor(row), q, k, v, cos, sin);
  EXPECT_TRUE(at::equal(found, turned_q));
  const at::Tensor expected_k = at::zeros({2, 2, 5, 8}), expected_v = at::zeros({2, 2, 5, 8});
  for (const int64_t n : {0, 2, 3}) {
    const auto at = static_cast<size_t>(n);
    expected_k[slot[at]].select(1, row[at]).copy_(turned_k[n]);
    expected_v[slot[at]].select(1, row[at]).copy_(v[n]);
  }
  EXPECT_TRUE(at::equal(cache.k_BGTD, expected_k));
  EXPECT_TRUE(at::equal(cache.v_BGTD, expected_v));

  ops::rotate_into_(cache, at::tensor(slot), at::full({4}, -1, at::kLong), q, k, v, cos, sin);
  EXPECT_TRUE(at::equal(cache.k_BGTD, expected_k)) << "no token has a row";
  EXPECT_TRUE(at::equal(cache.v_BGTD, expected_v));
}

}  // namespace
}  // namespace bt
