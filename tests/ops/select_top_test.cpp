#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <limits>

#include "ops/ops_test_support.h"

namespace bt {
namespace {

using Rows = std::vector<std::vector<int64_t>>;

Rows as_rows(const at::Tensor& rows_EW) {
  Rows out;
  for (int64_t e = 0; e < rows_EW.size(0); ++e) {
    const at::Tensor row = rows_EW[e].contiguous();
    out.emplace_back(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  }
  return out;
}

// Row by row: the greatest mass first, the lower row among equals.
Rows naive(const at::Tensor& mass_ET, int64_t k) {
  Rows out;
  for (int64_t e = 0; e < mass_ET.size(0); ++e) {
    std::vector<int64_t> rows;
    for (int64_t t = 0; t < mass_ET.size(1); ++t) {
      if (mass_ET[e][t].item<double>() >= 0) rows.push_back(t);
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [&](int64_t a, int64_t b) { return mass_ET[e][a].item<double>() > mass_ET[e][b].item<double>(); });
    if (static_cast<int64_t>(rows.size()) > k) rows.resize(static_cast<size_t>(k));
    std::sort(rows.begin(), rows.end());
    rows.resize(static_cast<size_t>(std::min(k, mass_ET.size(1))), -1);
    out.push_back(rows);
  }
  return out;
}

// The form that serves every device without a kernel of its own, here on CPU tensors.
at::Tensor sorted_form(const at::Tensor& mass_ET, int64_t k) {
  const auto op = c10::Dispatcher::singleton()
                      .findSchemaOrThrow("bt::select_top", "")
                      .typed<at::Tensor(const at::Tensor&, int64_t)>();
  return op.redispatch(c10::DispatchKeySet(c10::DispatchKey::Meta), mass_ET, k);
}

// Few distinct values, so that ties abound; about a third of the rows hidden.
at::Tensor random_mass(int64_t events, int64_t rows, at::ScalarType dtype = at::kDouble) {
  CounterRng rng(4, static_cast<uint64_t>(events), static_cast<uint64_t>(rows));
  at::Tensor mass_ET = at::empty({events, rows}, at::kDouble);
  for (int64_t n = 0; n < mass_ET.numel(); ++n) {
    mass_ET.view({-1})[n] = rng.uniform() < 0.3 ? -1.0 : 0.125 * static_cast<double>(rng.below(5));
  }
  return mass_ET.to(dtype);
}

TEST(SelectTop, EqualsTheNaiveChoiceOnEverySize) {
  for (const int64_t events : {0, 1, 19}) {
    for (const int64_t rows : {0, 1, 2, 37}) {
      const at::Tensor mass_ET = random_mass(events, rows);
      for (const int64_t k : {0, 1, 3, 32, 64}) {
        EXPECT_EQ(as_rows(ops::select_top(mass_ET, k)), naive(mass_ET, k))
            << events << " events, " << rows << " rows, k " << k;
      }
    }
  }
}

TEST(SelectTop, TheSortedFormChoosesTheSameRows) {
  for (const int64_t rows : {1, 2, 37, 300}) {
    const at::Tensor mass_ET = random_mass(19, rows, at::kFloat);
    for (const int64_t k : {0, 1, 3, 32, 400}) {
      EXPECT_TRUE(ops::select_top(mass_ET, k).equal(sorted_form(mass_ET, k))) << rows << " rows, k " << k;
    }
  }
}

TEST(SelectTop, TheLowerRowWinsATie) {
  const at::Tensor mass_ET = at::tensor({0.5, 0.25, 0.5, 0.5, 0.25}).unsqueeze(0);
  EXPECT_EQ(as_rows(ops::select_top(mass_ET, 2)), (Rows{{0, 2}}));
  EXPECT_EQ(as_rows(ops::select_top(mass_ET, 4)), (Rows{{0, 1, 2, 3}}));
}

TEST(SelectTop, ZeroMassIsAChoiceAndNegativeMassIsNot) {
  EXPECT_EQ(as_rows(ops::select_top(at::tensor({-1.0, 0.0, -0.5, 0.0}).unsqueeze(0), 3)), (Rows{{1, 3, -1}}));
}

TEST(SelectTop, WhatIsNoNumberIsNotAChoice) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor mass_ET = at::tensor({0.5, nan, 0.25, -nan, -1.0, 0.0}, at::kDouble).unsqueeze(0);
  for (const int64_t k : {1, 2, 3, 5}) {
    EXPECT_EQ(as_rows(ops::select_top(mass_ET, k)), naive(mass_ET, k)) << k;
    EXPECT_EQ(as_rows(sorted_form(mass_ET, k)), naive(mass_ET, k)) << k;
  }
}

TEST(SelectTop, TakesStridedMass) {
  const at::Tensor mass_ET = random_mass(37, 19).t();
  EXPECT_EQ(as_rows(ops::select_top(mass_ET, 5)), naive(mass_ET, 5));
}

TEST(SelectTop, RefusesANegativeK) { EXPECT_THROW(ops::select_top(random_mass(1, 3), -1), c10::Error); }

}  // namespace
}  // namespace bt
