#include "kernels/select_top.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "bt/ops/reference.h"
#include "cuda_tensors.h"

namespace bt::ops {
namespace {

at::Tensor select_top_cuda(const at::Tensor& mass_ET, int64_t k) {
  TORCH_CHECK(mass_ET.dim() == 2 && k >= 0, "select_top: mass must be [E, T] and k >= 0, found rank ", mass_ET.dim(),
              ", k = ", k);
  if (mass_ET.scalar_type() != at::kFloat) return reference::select_top(mass_ET, k);
  const at::Tensor mass = mass_ET.stride(1) == 1 || mass_ET.size(1) == 1 ? mass_ET : mass_ET.contiguous();
  const int64_t events = mass.size(0), rows = mass.size(1), width = std::min(k, rows);
  at::Tensor chosen_EW = at::empty({events, width}, mass.options().dtype(at::kLong));
  const OnDeviceOf device(mass);
  kernels::select_top({mass.const_data_ptr<float>(), chosen_EW.mutable_data_ptr<int64_t>(), mass.stride(0),
                       as_int(events, "the number of events"), as_int(rows, "the number of rows"),
                       as_int(width, "the number of chosen rows")},
                      device.stream());
  device.check();
  return chosen_EW;
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CUDA, m) { m.impl("select_top", select_top_cuda); }

}  // namespace bt::ops
