#include "kernels/select_top.h"

#include <algorithm>
#include <numeric>

#include "kernels/kernel_test_support.h"

namespace bt {
namespace {

struct Case {
  int events, rows, k;
  int values = 0;  // that many different masses; 0: all differ
  double hidden = 0;
};

std::vector<float> masses(const Case& c, int64_t stride) {
  std::vector<float> mass(static_cast<size_t>(c.events * stride), 5.f);  // between the events lies what must not count
  const std::vector<float> value = testing::random_floats(mass.size(), 3, 0, 1),
                           hide = testing::random_floats(mass.size(), 4, 0, 1);
  for (int e = 0; e < c.events; ++e) {
    for (int r = 0; r < c.rows; ++r) {
      const auto i = static_cast<size_t>(e * stride + r);
      mass[i] = c.values > 0 ? std::floor(value[i] * static_cast<float>(c.values)) : value[i];
      if (hide[i] < c.hidden) mass[i] = -1;
    }
  }
  return mass;
}

// By sorting.
std::vector<int64_t> reference(const Case& c, const std::vector<float>& mass, int64_t stride) {
  std::vector<int64_t> out;
  for (int e = 0; e < c.events; ++e) {
    const float* of = mass.data() + e * stride;
    std::vector<int64_t> rows;
    for (int r = 0; r < c.rows; ++r) {
      if (of[r] >= 0) rows.push_back(r);
    }
    std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return of[a] > of[b]; });
    rows.resize(std::min(rows.size(), static_cast<size_t>(c.k)));
    std::sort(rows.begin(), rows.end());
    rows.resize(static_cast<size_t>(c.k), -1);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::vector<int64_t> selected(const Case& c, const std::vector<float>& mass, int64_t stride) {
  return testing::in_every_order([&] {
    std::vector<int64_t> chosen(static_cast<size_t>(c.events * c.k), -7);
    kernels::select_top({mass.data(), chosen.data(), stride, c.events, c.rows, c.k}, {});
    return chosen;
  });
}

TEST(SelectTopKernel, ChoosesAsSortingDoes) {
  for (const Case& c :
       {Case{1, 1, 1},          Case{19, 37, 5},           Case{5, 128, 128},           Case{6, 129, 32},
        Case{3, 320, 256},      Case{5, 321, 32},          Case{2, 1024, 256},          Case{2, 1025, 32},
        Case{1, 4096, 64},      Case{1, 4097, 256},        Case{1, 33000, 32},          Case{9, 100, 32, 3},
        Case{2, 1500, 200, 2},  Case{1, 5000, 100, 4},     Case{1, 33000, 100, 50},     Case{7, 60, 32, 0, .7},
        Case{7, 60, 32, 2, .5}, Case{3, 1100, 40, 0, .99}, Case{2, 40000, 30, 3, .999}, Case{4, 40, 8, 0, 1}}) {
    for (const int64_t stride : {static_cast<int64_t>(c.rows), static_cast<int64_t>(c.rows) + 3}) {
      const std::vector<float> mass = masses(c, stride);
      EXPECT_EQ(selected(c, mass, stride), reference(c, mass, stride)) << c.events << " x " << c.rows << ", k " << c.k;
    }
  }
}

TEST(SelectTopKernel, TakesZerosOfBothSignsAndNoNan) {
  const float nan = std::nanf(""), infinity = INFINITY;
  const std::vector<float> mass = {-0.f, nan, 0.f, -1e-9f, infinity, 1e-40f, -nan, 0.f};
  EXPECT_EQ(selected({1, 8, 4}, mass, 8), (std::vector<int64_t>{0, 2, 4, 5}));
  EXPECT_EQ(selected({1, 8, 8}, mass, 8), (std::vector<int64_t>{0, 2, 4, 5, 7, -1, -1, -1}));
}

TEST(SelectTopKernel, NothingToDo) { kernels::select_top({nullptr, nullptr, 0, 0, 4, 4}, {}); }

}  // namespace
}  // namespace bt
