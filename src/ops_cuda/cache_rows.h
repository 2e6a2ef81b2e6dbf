// Rows of a cache on CUDA, below autograd: what the operators and their gradients are made of. Keys and values of 16
// bits an element or more.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace bt::ops {

// As ops::gather_rows.
at::Tensor gather_rows_cuda(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                            const std::optional<at::Tensor>& place_E = {});

// As ops::put_rows; zeros where there are no new rows. The copies are contiguous.
std::tuple<at::Tensor, at::Tensor> put_rows_cuda(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                 const at::Tensor& rows_EW, const std::optional<at::Tensor>& new_EWC);

// New rows in a cache of zeros: the gradient of gathering.
std::tuple<at::Tensor, at::Tensor> spread_rows_cuda(const at::Tensor& new_EWC, const at::Tensor& rows_EW,
                                                    at::IntArrayRef sizes_BGTD);

}  // namespace bt::ops
