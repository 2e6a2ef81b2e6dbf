// Gradients of cache rows on CUDA. Gathering and spreading over zeros are each other's transpose, clearing is its own,
// and that of putting is to clear and to gather: so second derivatives follow.
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "cache_rows.h"

namespace bt::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

using Below = at::AutoDispatchBelowADInplaceOrView;

struct Gather : Function<Gather> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                            const at::Tensor& rows_EW);
  static variable_list backward(AutogradContext* context, const variable_list& d_EWC);
};

// New rows in a cache of zeros, of the sizes given.
struct Spread : Function<Spread> {
  static variable_list forward(AutogradContext* context, const at::Tensor& new_EWC, const at::Tensor& rows_EW,
                               const std::vector<int64_t>& sizes_BGTD);
  static variable_list backward(AutogradContext* context, const variable_list& d_BGTD);
};

// Zeros in the chosen rows of a copy of the cache.
struct Clear : Function<Clear> {
  static variable_list forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                               const at::Tensor& rows_EW);
  static variable_list backward(AutogradContext* context, const variable_list& d_BGTD);
};

// New rows in a copy of the cache.
struct Put : Function<Put> {
  static variable_list forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                               const at::Tensor& rows_EW, const at::Tensor& new_EWC);
  static variable_list backward(AutogradContext* context, const variable_list& d_BGTD);
};

at::Tensor Gather::forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                           const at::Tensor& rows_EW) {
  const Below below;
  context->save_for_backward({rows_EW});
  context->saved_data["sizes"] = k_BGTD.sizes();
  return gather_rows_cuda(k_BGTD, v_BGTD, rows_EW);
}

variable_list Gather::backward(AutogradContext* context, const variable_list& d_EWC) {
  const auto d = Spread::apply(d_EWC[0], context->get_saved_variables()[0], context->saved_data["sizes"].toIntVector());
  return {d[0], d[1], {}};
}

variable_list Spread::forward(AutogradContext* context, const at::Tensor& new_EWC, const at::Tensor& rows_EW,
                              const std::vector<int64_t>& sizes_BGTD) {
  const Below below;
  context->save_for_backward({rows_EW});
  auto [k, v] = spread_rows_cuda(new_EWC, rows_EW, sizes_BGTD);
  return {k, v};
}

variable_list Spread::backward(AutogradContext* context, const variable_list& d_BGTD) {
  return {Gather::apply(d_BGTD[0], d_BGTD[1], context->get_saved_variables()[0]), {}, {}};
}

variable_list Clear::forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                             const at::Tensor& rows_EW) {
  const Below below;
  context->save_for_backward({rows_EW});
  auto [k, v] = put_rows_cuda(k_BGTD, v_BGTD, rows_EW, std::nullopt);
  return {k, v};
}

variable_list Clear::backward(AutogradContext* context, const variable_list& d_BGTD) {
  const auto d = Clear::apply(d_BGTD[0], d_BGTD[1], context->get_saved_variables()[0]);
  return {d[0], d[1], {}};
}

variable_list Put::forward(AutogradContext* context, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                           const at::Tensor& rows_EW, const at::Tensor& new_EWC) {
  const Below below;
  context->save_for_backward({rows_EW});
  auto [k, v] = put_rows_cuda(k_BGTD, v_BGTD, rows_EW, new_EWC);
  return {k, v};
}

variable_list Put::backward(AutogradContext* context, const variable_list& d_BGTD) {
  const at::Tensor rows_EW = context->get_saved_variables()[0];
  variable_list d(4);  // of the cache, the rows' numbers and the new rows
  if (context->needs_input_grad(0) || context->needs_input_grad(1)) {
    const auto kept = Clear::apply(d_BGTD[0], d_BGTD[1], rows_EW);
    d[0] = kept[0];
    d[1] = kept[1];
  }
  if (context->needs_input_grad(3)) d[3] = Gather::apply(d_BGTD[0], d_BGTD[1], rows_EW);
  return d;
}

at::Tensor gather_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                       const std::optional<at::Tensor>& place_E) {
  if (!place_E) return Gather::apply(k_BGTD, v_BGTD, rows_EW);
  const Below below;
  return gather_rows_cuda(k_BGTD.detach(), v_BGTD.detach(), rows_EW, place_E);
}

std::tuple<at::Tensor, at::Tensor> put_rows(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                            const at::Tensor& rows_EW, const at::Tensor& new_EWC) {
  const auto out = Put::apply(k_BGTD, v_BGTD, rows_EW, new_EWC);
  return {out[0], out[1]};
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, AutogradCUDA, m) {
  m.impl("gather_rows", gather_rows);
  m.impl("put_rows", put_rows);
}

}  // namespace bt::ops
