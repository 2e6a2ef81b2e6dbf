#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bt/model/decoder.h"
#include "bt/ops/layer_ops.h"
#include "row_loops.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Normed = ops::Normed;
using Gradients = ops::NormGradients;

constexpr int64_t kRowsPerTask = 256;  // fixed, so that sums over rows do not depend on the number of threads

int64_t rows_of(const at::Tensor& x) { return x.size(-1) == 0 ? 0 : x.numel() / x.size(-1); }

template <class T, class Stored>
Normed normed_by_rows_of(const at::Tensor& any_x, const at::Tensor& any_weight, const NormConfig& norm) {
  using Wide = Wide<T>;
  const at::Tensor x = any_x.contiguous(), weight = any_weight.contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = 1;
  Normed out{at::empty(x.sizes(), x.options()),
             at::empty(shape, x.options().dtype(c10::CppTypeToScalarType<Wide>::value))};
  const rows::RmsNormForward<T> work{reinterpret_cast<const T*>(x.const_data_ptr<Stored>()),
                                     reinterpret_cast<const T*>(weight.const_data_ptr<Stored>()),
                                     reinterpret_cast<T*>(out.y.mutable_data_ptr<Stored>()),
                                     out.scale.mutable_data_ptr<Wide>(),
                                     x.size(-1),
                                     static_cast<Wide>(norm.eps),
                                     static_cast<Wide>(norm.weight_offset),
                                     norm.rounds_last};
  at::parallel_for(0, rows_of(x), kRowsPerTask, [&](int64_t begin, int64_t end) { rows::run(work, begin, end); });
  return out;
}

Normed normed_by_rows(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm) {
  switch (x.scalar_type()) {
    case at::kDouble:
      return normed_by_rows_of<double, double>(x, weight, norm);
    case at::kBFloat16:
      return normed_by_rows_of<BFloat16, c10::BFloat16>(x, weight, norm);
    default:
      return normed_by_rows_of<float, float>(x, weight, norm);
  }
}

Gradients gradients_by_rows(const at::Tensor& any_x, const at::Tensor& any_weight, const at::Tensor& scale,
                            const at::Tensor& any_dy, const NormConfig& norm, bool wants_dweight) {
  const at::Tensor x = any_x.contiguous(), weight = any_weight.contiguous(), dy = any_dy.contiguous();
  const int64_t width = x.size(-1), count = rows_of(x), tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  Gradients out{at::empty(x.sizes(), x.options()), {}};
  const at::Tensor parts = wants_dweight ? at::zeros({tasks, width}, x.options()) : at::Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm_backward", [&] {
    const rows::RmsNormBackward<scalar_t> shared{x.const_data_ptr<scalar_t>(),
                                                 weight.const_data_ptr<scalar_t>(),
                                                 scale.const_data_ptr<scalar_t>(),
                                                 dy.const_data_ptr<scalar_t>(),
                                                 out.dx.mutable_data_ptr<scalar_t>(),
                                                 nullptr,
                                                 width,
                                                 static_cast<scalar_t>(norm.weight_offset)};
    scalar_t* sums = wants_dweight ? parts.mutable_data_ptr<scalar_t>() : nullptr;
    at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        rows::RmsNormBackward<scalar_t> work = shared;
        if (sums != nullptr) work.dweight = sums + task * width;
        rows::run(work, task * kRowsPerTask, std::min(count, (task + 1) * kRowsPerTask));
      }
    });
  });
  if (wants_dweight) out.dweight = parts.sum(0);
  return out;
}

bool by_rows(const at::Tensor& x, const at::Tensor& weight, bool backward) {
  const bool wide = x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble;
  const bool narrow = !backward && x.scalar_type() == at::kBFloat16;
  return x.device().is_cpu() && (wide || narrow) && weight.scalar_type() == x.scalar_type();
}

Gradients gradients(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& dy,
                    const NormConfig& norm, bool wants_dweight) {
  if (by_rows(x, weight, true)) return gradients_by_rows(x, weight, scale, dy, norm, wants_dweight);
  return ops::rms_norm_backward(dy, {}, x, weight, scale, norm, wants_dweight);
}

void keep(AutogradContext* context, const NormConfig& norm) {
  context->saved_data["offset"] = norm.weight_offset;
  context->saved_data["rounds_last"] = norm.rounds_last;
}

NormConfig kept_norm(AutogradContext* context) {
  return {.weight_offset = context->saved_data["offset"].toDouble(),
          .rounds_last = context->saved_data["rounds_last"].toBool()};
}

// One node instead of autograd's chain.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double eps,
                            double offset, bool rounds_last) {
    const NormConfig norm{eps, offset, rounds_last};
    const Normed normed = by_rows(x, weight, false) ? normed_by_rows(x, weight, norm) : ops::rms_norm(x, weight, norm);
    context->save_for_backward({x, weight, normed.scale});
    keep(context, norm);
    return normed.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d) {
    const variable_list saved = context->get_saved_variables();
    const Gradients of =
        gradients(saved[0], saved[1], saved[2], d[0], kept_norm(context), context->needs_input_grad(1));
    return {of.dx, of.dweight, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// A residual sum and its norm: both summands have the same gradient.
struct AddRmsNorm : torch::autograd::Function<AddRmsNorm> {
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& residual,
                               const at::Tensor& weight, double eps, double offset, bool rounds_last) {
    const NormConfig norm{eps, offset, rounds_last};
    const auto [sum, normed] = ops::add_rms_norm(x, residual, weight, norm);
    context->save_for_backward({sum, weight, normed.scale});
    keep(context, norm);
    return {sum, normed.y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& d) {
    const variable_list saved = context->get_saved_variables();
    const Gradients of = ops::rms_norm_backward(d[1], d[0], saved[0], saved[1], saved[2], kept_norm(context),
                                                context->needs_input_grad(2));
    return {of.dx, of.dx, of.dweight, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm) {
  return RmsNorm::apply(x, weight, norm.eps, norm.weight_offset, norm.rounds_last);
}

std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                               const at::Tensor& weight, const NormConfig& norm) {
  if (x.is_cuda() && x.scalar_type() == residual.scalar_type()) {
    const variable_list out = AddRmsNorm::apply(x, residual, weight, norm.eps, norm.weight_offset, norm.rounds_last);
    return {out[0], out[1]};
  }
  const at::Tensor sum = x + residual;
  return {sum, rms_norm(sum, weight, norm)};
}

}  // namespace bt
