#include "linear_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "row_loops.h"

namespace bt {
namespace {

constexpr int64_t kMostRows = 8;
constexpr int64_t kValuesPerTask = int64_t{1} << 16;

template <class T, class Stored>
at::Tensor product(const at::Tensor& any_x, const at::Tensor& weight, const at::Tensor& bias) {
  using Wide = Wide<T>;
  const int64_t count = any_x.size(0), in = weight.size(1), out = weight.size(0);
  const at::Tensor x = any_x.to(c10::CppTypeToScalarType<Wide>::value).contiguous();
  at::Tensor y = at::empty({count, out}, any_x.options());
  const rows::Product<T> shared{x.const_data_ptr<Wide>(),
                                reinterpret_cast<const T*>(weight.const_data_ptr<Stored>()),
                                bias.defined() ? reinterpret_cast<const T*>(bias.const_data_ptr<Stored>()) : nullptr,
                                reinterpret_cast<T*>(y.mutable_data_ptr<Stored>()),
                                count,
                                in,
                                out,
                                nullptr};
  const int64_t blocks = (out + 3) / 4, grain = std::max<int64_t>(1, kValuesPerTask / (4 * in));
  at::parallel_for(0, blocks, grain, [&](int64_t begin, int64_t end) {
    thread_local std::vector<Wide> scratch;
    scratch.resize(static_cast<size_t>(4 * in));
    rows::Product<T> work = shared;
    work.scratch = scratch.data();
    rows::run(work, 4 * begin, std::min(out, 4 * end));
  });
  return y;
}

bool by_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return !at::GradMode::is_enabled() && x.is_cpu() && x.dim() == 2 && x.size(0) <= kMostRows &&
         weight.is_contiguous() && weight.scalar_type() == x.scalar_type() && (!bias.defined() || bias.is_contiguous());
}

}  // namespace

at::Tensor linear_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (by_rows(x, weight, bias)) {
    if (x.scalar_type() == at::kFloat) return product<float, float>(x, weight, bias);
    if (x.scalar_type() == at::kBFloat16) return product<BFloat16, c10::BFloat16>(x, weight, bias);
  }
  return at::linear(x, weight, bias);
}

}  // namespace bt
