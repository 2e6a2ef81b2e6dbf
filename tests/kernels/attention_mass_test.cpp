#include "kernels/attention_mass.h"

#include "kernels/attention_test_support.h"

namespace bt {
namespace {

using testing::AttentionProblem;
using testing::AttentionShape;

// [B, S, H]
std::vector<double> exact_lse(const AttentionProblem& p) {
  std::vector<double> lse;
  for (int b = 0; b < p.shape.sequences; ++b) {
    for (int s = 0; s < p.shape.queries; ++s) {
      for (int h = 0; h < p.shape.heads; ++h) lse.push_back(testing::look<double>(p, b, s, h).lse);
    }
  }
  return lse;
}

// The mean over the voters of exp(score - lse), [B, T], by plain loops in Number.
template <class Number>
std::vector<Number> plain_mass(const AttentionProblem& p, const std::vector<int64_t>& voters,
                               const std::vector<double>& lse) {
  std::vector<Number> mass(p.position.size());
  const int heads = p.shape.heads;
  for (int b = 0; b < p.shape.sequences; ++b) {
    const auto queries = static_cast<int>(p.query_length[static_cast<size_t>(b)]),
               count = std::min(static_cast<int>(voters[static_cast<size_t>(b)]), queries);
    for (int voter = (queries - count) * heads; voter < queries * heads; ++voter) {
      const auto looked = testing::look<Number>(p, b, voter / heads, voter % heads);
      const auto own_lse = static_cast<Number>(lse[static_cast<size_t>(b * p.shape.queries * heads + voter)]);
      for (int t = 0; t < p.shape.rows; ++t) {
        if (!p.sees(b, voter / heads, t)) continue;
        mass[p.row_at(b, t)] +=
            std::exp(looked.score[static_cast<size_t>(t)] - own_lse) / static_cast<Number>(count * heads);
      }
    }
  }
  return mass;
}

// place: where the sequences' keys are in the work's; null: where they belong.
std::vector<float> kernel_mass(const AttentionProblem& p, const kernels::Attention& work,
                               const std::vector<int64_t>& voters, const std::vector<double>& lse_in,
                               const int64_t* place) {
  const std::vector<float> lse(lse_in.begin(), lse_in.end());
  const AttentionShape& s = p.shape;
  return testing::in_every_order([&] {
    std::vector<float> mass(p.position.size(), -7.f);
    std::vector<float> of_group(p.position.size() * static_cast<size_t>(s.groups), std::nanf(""));
    kernels::attention_mass(
        {work, lse.data(), {s.queries * s.heads, s.heads, 1}, voters.data(), place, of_group.data(), mass.data()}, {});
    return mass;
  });
}

std::vector<float> kernel_mass(const AttentionProblem& p, const std::vector<int64_t>& voters,
                               const std::vector<double>& lse) {
  const testing::AttentionMemory memory(p);
  return kernel_mass(p, memory.work, voters, lse, nullptr);
}

constexpr double kRounding = 0x1p-24;  // of one number up to 1

TEST(AttentionMassKernel, ErrsAtMostTwiceAsMuchAsPlainSumsInFloat) {
  for (const AttentionShape& shape :
       {AttentionShape{}, AttentionShape{.sequences = 1, .rows = 300}, AttentionShape{.sequences = 1, .rows = 32},
        AttentionShape{.sequences = 1, .queries = 1, .rows = 1},
        AttentionShape{.sequences = 19, .queries = 2, .heads = 2, .groups = 1},
        AttentionShape{.sequences = 1, .queries = 37, .heads = 8, .groups = 2},  // more than 128 packed rows
        AttentionShape{.heads = 3, .groups = 3, .type = kernels::Element::fp16}, AttentionShape{.width = 128},
        AttentionShape{.window = 9}, AttentionShape{.softcap = .8f},
        AttentionShape{
            .width = 128, .softcap = 1.2f, .window = 20, .dead_rows = true, .type = kernels::Element::fp16}}) {
    const AttentionProblem p = testing::random_problem(shape);
    const std::vector<double> lse = exact_lse(p);
    for (const int64_t most : {1, 3, 64}) {
      std::vector<int64_t> voters(static_cast<size_t>(shape.sequences), most);
      voters.back() = std::max<int64_t>(most - 1, shape.sequences == 1);
      const std::vector<double> exact = plain_mass<double>(p, voters, lse);
      const double error = testing::greatest_error(kernel_mass(p, voters, lse), exact);
      const double plain = testing::greatest_error(plain_mass<float>(p, voters, lse), exact);
      EXPECT_LE(error, 2 * plain + kRounding)
          << shape.sequences << " x " << shape.queries << " x " << shape.rows << ", voters " << most << ", window "
          << shape.window << ", cap " << shape.softcap;
    }
  }
}

TEST(AttentionMassKernel, NoVotersGiveZeros) {
  const AttentionProblem p = testing::random_problem({.sequences = 2});
  const std::vector<int64_t> voters = {0, 5};  // and sequence 1 has no queries
  EXPECT_EQ(kernel_mass(p, voters, exact_lse(p)), std::vector<float>(p.position.size(), 0.f));
}

TEST(AttentionMassKernel, FindsKeysInTheirPlaces) {
  for (const int64_t window : {0, 9}) {
    const AttentionProblem p = testing::random_problem({.sequences = 4, .window = window});
    const testing::AttentionMemory memory(p);
    const auto all = static_cast<std::ptrdiff_t>(memory.k.size()), one = all / 4;
    std::vector<uint16_t> k(static_cast<size_t>(all + one));  // the first place is nobody's
    std::vector<int64_t> place;
    for (std::ptrdiff_t b = 0; b < 4; ++b) {
      place.push_back(4 - b);
      std::copy_n(memory.k.begin() + b * one, one, k.begin() + place.back() * one);
    }
    kernels::Attention work = memory.work;
    work.k = k.data();
    const std::vector<int64_t> voters(4, 3);
    const std::vector<double> lse = exact_lse(p);
    EXPECT_EQ(kernel_mass(p, work, voters, lse, place.data()), kernel_mass(p, voters, lse));
  }
}

TEST(AttentionMassKernel, NothingToDo) {
  kernels::Attention empty{};
  empty.type = kernels::Element::bf16, empty.groups = 1, empty.heads = 1, empty.width = 64;
  kernels::attention_mass({empty, nullptr, {}, nullptr, nullptr, nullptr, nullptr}, {});
}

TEST(AttentionMassKernel, RefusesWhatItHasNoPathFor) {
  const testing::AttentionMemory memory(testing::random_problem({}));
  const auto refuses = [&](auto change) {
    kernels::Attention work = memory.work;
    change(work);
    EXPECT_FALSE(kernels::attention_takes(work));
    EXPECT_THROW(kernels::attention_mass({work, nullptr, {}, nullptr, nullptr, nullptr, nullptr}, {}),
                 std::invalid_argument);
  };
  refuses([](kernels::Attention& w) { w.width = 96; });
  refuses([](kernels::Attention& w) { w.type = kernels::Element::fp32; });
  refuses([](kernels::Attention& w) { w.k_stride.head_or_row += 1; });
  refuses([](kernels::Attention& w) { w.q = static_cast<const uint16_t*>(w.q) + 1; });
  refuses([](kernels::Attention& w) { w.groups = 3; });
}

}  // namespace
}  // namespace bt
