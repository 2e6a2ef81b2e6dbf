#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bt/model/decoder.h"
#include "row_loops.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// At least fp32, in which the norm is computed.
at::Tensor widen(const at::Tensor& x) { return x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat); }

// With s = 1/rms(x) and gradient g of y = w x s: dx = s w g - x s^3 mean(w g x), dw = sum of g x s over rows.
struct Normed {
  at::Tensor y, scale;  // scale: s, one per row
};
struct Gradients {
  at::Tensor dx, dweight;  // dweight undefined unless wanted
};

// The factor that x / rms(x) is multiplied by: rounded to x's type with it, or in fp32 where rounding comes last.
at::Tensor factor(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm) {
  const at::Tensor wide = norm.rounds_last ? widen(weight) : weight.to(x.scalar_type());
  return norm.weight_offset == 0 ? wide : wide + norm.weight_offset;
}

Normed normed_by_aten(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm) {
  const at::Tensor wide = widen(x);
  const at::Tensor length = at::linalg_vector_norm(wide, 2, {-1}, /*keepdim=*/true);
  const at::Tensor scale = length.square_().div_(static_cast<double>(x.size(-1))).add_(norm.eps).rsqrt_();
  const at::Tensor unit = wide * scale, by = factor(x, weight, norm);
  return {norm.rounds_last ? (unit * by).to(x.scalar_type()) : unit.to(x.scalar_type()).mul_(by), scale};
}

Gradients gradients_by_aten(const at::Tensor& narrow_x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& dy, const NormConfig& norm, bool wants_dweight) {
  const at::Tensor x = widen(narrow_x), g = widen(dy), by = factor(narrow_x, weight, norm);
  at::Tensor product = g * x, dweight;
  if (wants_dweight) dweight = (product * scale).flatten(0, -2).sum(0).to(weight.scalar_type());
  const at::Tensor sum = product.mul_(by).sum(-1, /*keepdim=*/true);
  const at::Tensor pull = sum.mul_(scale.pow(3)).div_(static_cast<double>(x.size(-1)));
  const at::Tensor dx = at::mul_out(product, g, by).mul_(scale).addcmul_(x, pull, -1);
  return {dx.to(narrow_x.scalar_type()), dweight};
}

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

// One node instead of autograd's chain.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double eps,
                            double offset, bool rounds_last) {
    const NormConfig norm{eps, offset, rounds_last};
    const Normed normed = by_rows(x, weight, false) ? normed_by_rows(x, weight, norm) : normed_by_aten(x, weight, norm);
    context->save_for_backward({x, weight, normed.scale});
    context->saved_data["offset"] = offset;
    context->saved_data["rounds_last"] = rounds_last;
    return normed.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto compute = by_rows(saved[0], saved[1], true) ? gradients_by_rows : gradients_by_aten;
    const NormConfig norm{.weight_offset = context->saved_data["offset"].toDouble(),
                          .rounds_last = context->saved_data["rounds_last"].toBool()};
    const Gradients d = compute(saved[0], saved[1], saved[2], gradients[0], norm, context->needs_input_grad(1));
    return {d.dx, d.dweight, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm) {
  return RmsNorm::apply(x, weight, norm.eps, norm.weight_offset, norm.rounds_last);
}

}  // namespace bt
