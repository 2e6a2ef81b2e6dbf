// C++ entry points of the head's operators, through the dispatcher.
#include "bt/ops/head.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace bt::ops {
namespace {

c10::OperatorHandle find(const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); }

}  // namespace

TokenLosses cross_entropy_(const at::Tensor& logits_MV, const at::Tensor& target_M, double softcap, bool want_gradient,
                           bool want_entropy) {
  static const auto op = find("bt::cross_entropy_")
                             .typed<std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&,
                                                                                   double, bool, bool)>();
  auto [nll_M, correct_M, entropy_M] = op.call(logits_MV, target_M, softcap, want_gradient, want_entropy);
  return {nll_M, correct_M, entropy_M};
}

bool can_sample(const at::Tensor& logits_AV) {
  const at::ScalarType type = logits_AV.scalar_type();
  return logits_AV.is_cuda() && (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) &&
         find("bt::sample").hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

at::Tensor sample(const at::Tensor& logits_AV, const at::Tensor& key_A2, const SampleSpec& spec) {
  static const auto op = find("bt::sample")
                             .typed<at::Tensor(const at::Tensor&, const std::optional<at::Tensor>&, double, int64_t,
                                               double, double, int64_t)>();
  const auto key = key_A2.defined() ? std::optional<at::Tensor>(key_A2) : std::nullopt;
  return op.call(logits_AV, key, spec.temperature, spec.top_k, spec.top_p, spec.min_p, static_cast<int64_t>(spec.seed));
}

void penalise_(const at::Tensor& logits_AV, const at::Tensor& id_N, const at::Tensor& end_A, double penalty) {
  static const auto op =
      find("bt::penalise_").typed<void(const at::Tensor&, const at::Tensor&, const at::Tensor&, double)>();
  op.call(logits_AV, id_N, end_A, penalty);
}

}  // namespace bt::ops
