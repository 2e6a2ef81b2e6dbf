#include "packed_slots.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>

#include "bt/latent/effects.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows `index` of x, zeros where it is -1.
at::Tensor rows_of(const at::Tensor& any_x, const at::Tensor& index) {
  constexpr int64_t rows_per_task = 256;
  const at::Tensor x = any_x.contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = index.size(0);
  at::Tensor out = at::empty(shape, x.options());
  if (out.numel() == 0) return out;
  const auto bytes = static_cast<size_t>(out.nbytes()) / static_cast<size_t>(shape[0]);
  const int64_t* row = index.const_data_ptr<int64_t>();
  const char* from = static_cast<const char*>(x.const_data_ptr());
  char* to = static_cast<char*>(out.mutable_data_ptr());
  at::parallel_for(0, shape[0], rows_per_task, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      char* here = to + static_cast<size_t>(i) * bytes;
      if (row[i] < 0)
        std::memset(here, 0, bytes);
      else
        std::memcpy(here, from + static_cast<size_t>(row[i]) * bytes, bytes);
    }
  });
  return out;
}

// No row is taken twice, so the gradient takes rows too, by the inverse.
struct TakeRows : torch::autograd::Function<TakeRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& index,
                            const at::Tensor& inverse) {
    context->save_for_backward({index, inverse});
    return rows_of(x, index);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return {rows_of(gradients[0], saved[1]), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

PackedSlots::PackedSlots(const at::Tensor& kind_YEW) {
  if (kind_YEW.size(0) != 1 || !kind_YEW.device().is_cpu()) return;
  const at::Tensor slots = (kind_YEW.flatten() != static_cast<int64_t>(RowKind::pad)).nonzero().squeeze(1);
  if (slots.size(0) == kind_YEW.numel()) return;
  slot_M = slots;
  place_N = at::full({kind_YEW.numel()}, -1, slots.options());
  place_N.index_put_({slot_M}, at::arange(slot_M.size(0), slots.options()));
}

at::Tensor PackedSlots::pack(const at::Tensor& x) const {
  return slot_M.defined() ? TakeRows::apply(x.squeeze(0), slot_M, place_N).unsqueeze(0) : x;
}

at::Tensor PackedSlots::unpack(const at::Tensor& x) const {
  return slot_M.defined() ? TakeRows::apply(x.squeeze(0), place_N, slot_M).unsqueeze(0) : x;
}

}  // namespace bt
