#include "bt/model/parameters.h"

#include <gtest/gtest.h>

#include "bt/core/random.h"
#include "model_test_support.h"

namespace bt {
namespace {

using Init = ParameterInfo::Init;

std::vector<ParameterInfo> infos() {
  return {{.name = "gate",
           .shape = {},
           .layers = 3,
           .init = Init::constant,
           .value = -4,
           .decay = false,
           .lr_multiplier = 10},
          {.name = "w_in", .shape = {4, 8}, .layers = 3},
          {.name = "norm", .shape = {5}, .layers = 3, .init = Init::ones, .decay = false},
          {.name = "w_out", .shape = {8, 4}, .layers = 3, .init = Init::normal, .value = 0.5},
          {.name = "scale", .shape = {7}, .init = Init::zeros, .decay = false}};
}

ParameterStore store_of(std::vector<ParameterInfo> list, at::ScalarType dtype = at::kDouble) {
  ParameterStore store(std::move(list), c10::TensorOptions(dtype));
  store.initialise(3);
  return store;
}

TEST(ParameterStore, GivesLeavesOfTheirShapes) {
  const ParameterStore store = store_of(infos());
  EXPECT_EQ(store.count(), 3 * (1 + 32 + 5 + 32) + 7);
  EXPECT_EQ(store.leaf("gate", 2).sizes(), (std::vector<int64_t>{1}));
  EXPECT_EQ(store.leaf("w_in", 1).sizes(), (std::vector<int64_t>{1, 4, 8}));
  EXPECT_EQ(store.leaf("scale").sizes(), (std::vector<int64_t>{7}));
  EXPECT_EQ(store.leaves().size(), 13U);
  for (const at::Tensor& leaf : store.leaves()) EXPECT_TRUE(leaf.is_leaf() && leaf.requires_grad());
  const std::vector<at::Tensor> stacked = store.stacked();
  ASSERT_EQ(stacked.size(), 4U);
  EXPECT_EQ(stacked[1].sizes(), (std::vector<int64_t>{3, 4, 8}));
  EXPECT_FALSE(stacked[1].requires_grad());
  EXPECT_EQ(store.layer_leaves(1).size(), 4U);
  EXPECT_TRUE(store.layer_leaves(1)[3].is_same(store.leaf("w_out", 1)));
}

TEST(ParameterStore, OneLeafMayServeEveryLayer) {
  const ParameterStore store = store_of({{.name = "gate", .shape = {1}, .layers = 3},
                                         {.name = "shared", .shape = {2, 4}, .layers = 1, .every_layer = true}});
  EXPECT_EQ(store.count(), 3 + 8);
  for (int64_t layer = 0; layer < 3; ++layer)
    EXPECT_TRUE(store.layer_leaves(layer)[1].is_same(store.leaf("shared"))) << layer;
  const at::Tensor stacked = store.stacked()[1];
  EXPECT_EQ(stacked.sizes(), (std::vector<int64_t>{3, 2, 4}));
  EXPECT_TRUE(at::equal(stacked[2], store.leaf("shared")[0]));
  EXPECT_EQ(stacked.stride(0), 0) << "no copies";
}

TEST(ParameterStore, ShowsAnUpdateOfTheFlatBufferEverywhere) {
  const ParameterStore store = store_of(infos());
  store.flat().copy_(at::arange(store.count(), at::kDouble));
  const at::Tensor all = store.stacked()[1];
  for (int64_t layer = 0; layer < 3; ++layer) EXPECT_TRUE(at::equal(store.leaf("w_in", layer)[0], all[layer]));
  EXPECT_TRUE(at::equal(store.named()[1].second, all));
  EXPECT_EQ(store.named()[4].first, "scale");
  // Every element of the buffer is in exactly one parameter.
  double sum = 0;
  for (const auto& [name, tensor] : store.named()) sum += tensor.sum().item<double>();
  EXPECT_EQ(sum, store.flat().sum().item<double>());
}

TEST(ParameterStore, BackwardFillsTheFlatGradient) {
  ParameterStore store = store_of(infos());
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (const at::Tensor& leaf : store.leaves()) loss = loss + (leaf * leaf).sum();
  torch::autograd::backward({loss}, {});
  EXPECT_TRUE(at::allclose(store.flat_grad(), 2 * store.flat(), 1e-12, 0));
  torch::autograd::backward({3 * store.leaf("w_in", 1).sum()}, {});  // accumulates
  EXPECT_TRUE(at::allclose(store.flat_grad().sum(), 2 * store.flat().sum() + 3 * 32));
  EXPECT_TRUE(store.leaf("w_in", 1).grad().is_alias_of(store.flat_grad()));
  store.zero_grad();
  EXPECT_EQ(store.leaf("w_in", 1).grad().abs().sum().item<double>(), 0);
}

TEST(ParameterStore, RefusesBackwardAfterAnUpdateInBetween) {
  const ParameterStore store = store_of(infos());
  const at::Tensor leaf = store.leaf("w_in", 0);
  const at::Tensor loss = (leaf * leaf).sum();
  store.flat().add_(1);
  EXPECT_THROW(torch::autograd::backward({loss}, {}), c10::Error);
}

TEST(ParameterStore, PutsEqualSettingsSideBySide) {
  const ParameterStore store = store_of(infos());
  const std::vector<ParameterGroup>& groups = store.groups();
  ASSERT_EQ(groups.size(), 3U);
  int64_t end = 0;
  for (const ParameterGroup& group : groups) {
    EXPECT_EQ(group.begin, end);
    end = group.end;
  }
  EXPECT_EQ(end, store.count());
  // Sizes that break alignment go last: the matrices start the buffer.
  EXPECT_TRUE(groups[0].decay);
  EXPECT_EQ(groups[0].end, 2 * 3 * 32);
  for (size_t i = 0; i < store.infos().size(); ++i) {
    const auto& [name, tensor] = store.named()[i];
    const int64_t begin = tensor.storage_offset();
    int owners = 0;
    for (const ParameterGroup& group : groups) {
      if (begin < group.begin || begin + tensor.numel() > group.end) continue;
      ++owners;
      EXPECT_EQ(group.decay, store.infos()[i].decay) << name;
      EXPECT_EQ(group.lr_multiplier, store.infos()[i].lr_multiplier) << name;
    }
    EXPECT_EQ(owners, 1) << name;
  }
}

TEST(ParameterStore, DrawsByNameWhateverTheOrder) {
  std::vector<ParameterInfo> reversed = infos();
  std::reverse(reversed.begin(), reversed.end());
  const ParameterStore store = store_of(infos()), other = store_of(reversed),
                       rounded = store_of(infos(), at::kBFloat16);
  for (const ParameterInfo& info : infos()) {
    for (int64_t layer = 0; layer < std::max<int64_t>(info.layers, 1); ++layer) {
      const at::Tensor leaf = store.leaf(info.name, layer);
      EXPECT_TRUE(at::equal(leaf, other.leaf(info.name, layer))) << info.name;
      EXPECT_TRUE(at::equal(leaf.to(at::kBFloat16), rounded.leaf(info.name, layer))) << info.name;
    }
  }
  EXPECT_FALSE(at::equal(store.leaf("w_in", 0), store.leaf("w_in", 1)));
  const at::Tensor in = store.leaf("w_in").flatten() / 0.02, out = store.leaf("w_out").flatten() / 0.5;
  EXPECT_GT(test::greatest_difference(in, out), 0.1);  // each name has its own draws
}

TEST(ParameterStore, FollowsTheInitialisations) {
  const ParameterStore store = store_of({{.name = "w", .shape = {300, 100}, .value = 0.5},
                                         {.name = "c", .shape = {3}, .init = Init::constant, .value = -4},
                                         {.name = "o", .shape = {3}, .init = Init::ones},
                                         {.name = "z", .shape = {3}, .init = Init::zeros}});
  EXPECT_NEAR(store.leaf("w").std().item<double>(), 0.5, 0.01);
  EXPECT_NEAR(store.leaf("w").mean().item<double>(), 0, 0.01);
  EXPECT_TRUE(at::equal(store.leaf("c"), at::full({3}, -4, at::kDouble)));
  EXPECT_TRUE(at::equal(store.leaf("o"), at::ones({3}, at::kDouble)));
  EXPECT_TRUE(at::equal(store.leaf("z"), at::zeros({3}, at::kDouble)));
}

TEST(ParameterStore, FreezesAndThawsTheSameLeaves) {
  ParameterStore store(infos(), c10::TensorOptions(at::kFloat), /*trainable=*/false);
  const at::Tensor leaf = store.leaf("w_in", 1);
  EXPECT_FALSE(store.trainable() || leaf.requires_grad() || store.flat_grad().defined());
  store.set_trainable(true);
  EXPECT_TRUE(leaf.requires_grad());
  torch::autograd::backward({leaf.sum()}, {});
  EXPECT_EQ(store.flat_grad().sum().item<double>(), 32);
  store.set_trainable(false);
  EXPECT_FALSE(leaf.requires_grad() || leaf.grad().defined());
}

TEST(ParameterStore, HasMastersWhereSixteenBitsAreTrained) {
  const ParameterStore exact = store_of(infos(), at::kFloat);
  ParameterStore store = store_of(infos(), at::kBFloat16);
  EXPECT_TRUE(at::equal(store.masters(), exact.flat()));
  EXPECT_TRUE(at::equal(store.flat(), exact.flat().to(at::kBFloat16)));
  EXPECT_EQ(store.flat_grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(store.master("w_in"), exact.named()[1].second));
  EXPECT_TRUE(at::equal(store.named()[1].second, exact.named()[1].second)) << "what is saved";
  EXPECT_EQ(store.stacked()[1].scalar_type(), at::kBFloat16) << "what computes";
  store.master("scale").fill_(1.0 / 3);
  EXPECT_EQ(store.leaf("scale")[0].item<double>(), 0);
  store.refresh();
  EXPECT_EQ(store.leaf("scale")[0].item<double>(), 0.333984375);
  EXPECT_TRUE(exact.masters().is_same(exact.flat()));

  store.set_trainable(false);
  EXPECT_TRUE(store.masters().is_same(store.flat()));
  EXPECT_EQ(store.named()[1].second.scalar_type(), at::kBFloat16);
  store.set_trainable(true);
  EXPECT_TRUE(at::equal(store.masters(), store.flat().to(at::kFloat)));
}

TEST(ParameterStore, RefusesTwoParametersOfOneNameAndUnknownNames) {
  EXPECT_THROW(ParameterStore({{.name = "a", .shape = {1}}, {.name = "a", .shape = {2}}}, at::kFloat),
               std::logic_error);
  EXPECT_THROW(store_of(infos()).leaf("w_inn"), std::logic_error);
  EXPECT_THROW(store_of(infos()).leaf("w_in", 3), std::out_of_range);
}

}  // namespace
}  // namespace bt
