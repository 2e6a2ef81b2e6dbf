#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "bt/ops/reference.h"

namespace bt::ops {
namespace {

// Writes the chosen rows of one event, ascending; the rest of `out` keeps its -1.
template <class T>
void select_row(const T* mass, int64_t rows, int64_t k, std::vector<int64_t>& candidates, int64_t* out) {
  candidates.clear();
  for (int64_t row = 0; row < rows; ++row) {
    if (mass[row] >= 0) candidates.push_back(row);
  }
  auto last = candidates.end();
  if (static_cast<int64_t>(candidates.size()) > k) {
    last = candidates.begin() + k;
    std::nth_element(candidates.begin(), last, candidates.end(),
                     [mass](int64_t a, int64_t b) { return mass[a] != mass[b] ? mass[a] > mass[b] : a < b; });
    std::sort(candidates.begin(), last);
  }
  std::copy(candidates.begin(), last, out);
}

at::Tensor select_top_cpu(const at::Tensor& mass_ET, int64_t k) {
  TORCH_CHECK(mass_ET.dim() == 2 && k >= 0, "select_top: mass must be [E, T] and k >= 0, found rank ", mass_ET.dim(),
              ", k = ", k);
  const at::Tensor mass = mass_ET.contiguous();
  const int64_t events = mass.size(0), rows = mass.size(1), width = std::min(k, rows);
  at::Tensor chosen_EW = at::full({events, width}, -1, mass.options().dtype(at::kLong));
  if (chosen_EW.numel() == 0) return chosen_EW;
  AT_DISPATCH_FLOATING_TYPES(mass.scalar_type(), "bt::select_top", [&] {
    const scalar_t* data = mass.const_data_ptr<scalar_t>();
    int64_t* out = chosen_EW.mutable_data_ptr<int64_t>();
    at::parallel_for(0, events, 8, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> candidates;
      candidates.reserve(static_cast<size_t>(rows));
      for (int64_t e = begin; e < end; ++e) select_row(data + e * rows, rows, width, candidates, out + e * width);
    });
  });
  return chosen_EW;
}

}  // namespace

// A stable sort puts the lower row first among equals; hidden rows (mass not >= 0) sink to the end and become -1.
at::Tensor reference::select_top(const at::Tensor& mass_ET, int64_t k) {
  const int64_t rows = mass_ET.size(1), width = std::min(k, rows);
  const at::Tensor shown_ET = mass_ET.masked_fill((mass_ET >= 0).logical_not(), -1);
  const auto [mass, row] = shown_ET.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
  const at::Tensor taken = row.narrow(1, 0, width).masked_fill(mass.narrow(1, 0, width) < 0, rows);
  const at::Tensor ascending = std::get<0>(taken.sort(1));
  return ascending.masked_fill(ascending == rows, -1);
}

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) { m.impl("select_top", reference::select_top); }
TORCH_LIBRARY_IMPL(bt, CPU, m) { m.impl("select_top", select_top_cpu); }

}  // namespace bt::ops
