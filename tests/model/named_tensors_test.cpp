// Tensors to a file and back: larger than the pieces they are read in, of any type, layout and mode.
#include "bt/model/named_tensors.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "bt/format/safetensors.h"
#include "format/format_test_support.h"
#include "model_test_support.h"

namespace bt {
namespace {

using test::TempFolder;

// A few pieces of 1 MiB and a rest, whose values are exact in every floating type.
at::Tensor values(at::ScalarType type) {
  return at::arange(700'001, at::kLong).remainder(251).sub(125).to(type).mul(0.5).to(type);
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST(NamedTensors, ComeBackInEveryType) {
  for (const int count : {1, 3}) {
    const Threads threads(count);
    for (const at::ScalarType stored : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
      const TempFolder folder;
      save_tensors(folder / "t", {{"a", values(stored)}, {"empty", at::empty({0, 3}, stored)}});
      for (const at::ScalarType wanted : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
        const at::Tensor a = at::full({700'001}, 7, wanted), empty = at::empty({0, 3}, wanted);
        load_tensors(folder / "t", {{"a", a}, {"empty", empty}});
        EXPECT_TRUE(at::equal(a, values(wanted))) << stored << " to " << wanted;
      }
    }
  }
}

TEST(NamedTensors, OfAnyLayout) {
  const TempFolder folder;
  const at::Tensor whole = values(at::kFloat).narrow(0, 0, 600).view({20, 30});
  const NamedTensors views = {{"columns", whole.t()}, {"part", whole.narrow(1, 3, 5)}, {"one", whole[1][2]}};
  save_tensors(folder / "t", views);
  const at::Tensor target = at::zeros({20, 30});
  const at::Tensor columns = at::zeros({20, 30}).t(), one = at::zeros({});
  load_tensors(folder / "t", {{"columns", columns}, {"part", target.narrow(1, 3, 5)}, {"one", one}});
  EXPECT_TRUE(at::equal(columns, whole.t()));
  EXPECT_TRUE(at::equal(target.narrow(1, 3, 5), whole.narrow(1, 3, 5)));
  EXPECT_EQ(target.narrow(1, 8, 22).abs().sum().item<float>(), 0);
  EXPECT_EQ(one.item<float>(), whole[1][2].item<float>());
}

TEST(NamedTensors, LeavesThatNeedGradientsAreSavedAndLoaded) {
  const TempFolder folder;
  const at::Tensor leaf = at::ones({3}).requires_grad_(true);
  save_tensors(folder / "t", {{"a", at::full({3}, 2.0)}});
  load_tensors(folder / "t", {{"a", leaf}});
  EXPECT_EQ(leaf.sum().item<float>(), 6);
  save_tensors(folder / "again", {{"a", leaf}});
  EXPECT_EQ(test::read_text(folder / "again"), test::read_text(folder / "t"));
}

TEST(NamedTensors, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  const TempFolder folder;
  save_tensors(folder / "t", {{"a", at::ones({3})}, {"b", at::ones({2})}});
  const auto refused = [&](const std::vector<std::string>& parts, const std::string& second, at::IntArrayRef shape) {
    const at::Tensor a = at::zeros({3}), other = at::zeros(shape);
    test::expect_bad_file(parts, [&] { load_tensors(folder / "t", {{"a", a}, {second, other}}); });
    EXPECT_EQ(a.sum().item<float>(), 0);
  };
  refused({"c", "missing"}, "c", {2});
  refused({"b", "[4]", "[2]"}, "b", {4});
  const at::Tensor a = at::zeros({3});
  test::expect_bad_file({"b", "unknown tensor"}, [&] { load_tensors(folder / "t", {{"a", a}}); });
  const std::byte byte{1};
  write_safetensors(folder / "u", {{"a", DType::u8, {1}, {&byte, 1}}});
  test::expect_bad_file({"not floating", "U8"}, [&] { load_tensors(folder / "u", {{"a", at::zeros({1})}}); });
}

}  // namespace
}  // namespace bt
