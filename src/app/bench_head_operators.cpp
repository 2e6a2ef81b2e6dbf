// The operators on a head's logits: their loss with its gradient, and the choice of the next token.
#include <ATen/ATen.h>

#include "bench_operators.h"
#include "bt/core/strings.h"
#include "bt/ops/head.h"
#include "bt/runtime/sampling.h"

namespace bt {
namespace {

// Gradients over the logits. Later calls take earlier ones' gradients for logits: values do not change the work.
void plain_cross_entropy(const at::Tensor& logits_MV, const at::Tensor& target_M1) {
  const at::Tensor x = logits_MV.to(at::kFloat), lse = x.logsumexp(1, true);
  const at::Tensor nll = lse - x.gather(1, target_M1), correct = x.argmax(1, true) == target_M1;
  at::Tensor gradient = (x - lse).exp_();
  gradient.scatter_add_(1, target_M1, at::full_like(lse, -1));
  logits_MV.copy_(gradient);
}

Bench cross_entropy(int64_t rows, int64_t vocabulary) {
  return {str("ops/cross_entropy_", rows, "x", vocabulary), str(rows, " x ", vocabulary, ", with the gradient"),
          [=](const c10::TensorOptions& options) {
            const at::Tensor logits = at::randn({rows, vocabulary}, options), own = logits.clone(),
                             target = at::randint(vocabulary, {rows}, options.dtype(at::kLong));
            const at::Tensor target_M1 = target.unsqueeze(1);
            const double once = static_cast<double>(logits.nbytes());
            return operator_variants({.plain = [=] { plain_cross_entropy(logits, target_M1); },
                                      .ours = [=] { ops::cross_entropy_(own, target, 0, true, false); },
                                      .bytes = 2 * once},
                                     options.device());
          }};
}

// Top-p by a sort, as a reader would write it.
at::Tensor plain_draw(const at::Tensor& logits_AV, double temperature, double top_p) {
  const auto [p, id] = logits_AV.to(at::kFloat).div(temperature).softmax(1).sort(1, true);
  const at::Tensor kept = p.masked_fill(p.cumsum(1) - p >= top_p, 0);
  return id.gather(1, kept.multinomial(1));
}

Bench sampling(const char* name, int64_t rows, int64_t vocabulary, double temperature, double top_p) {
  return {str("ops/", name, "_", rows, "x", vocabulary), str(rows, " x ", vocabulary),
          [=](const c10::TensorOptions& options) {
            const at::Tensor logits = at::randn({rows, vocabulary}, options) * 3;
            const at::Tensor key = at::arange(2 * rows, options.dtype(at::kLong)).view({rows, 2});
            OperatorPair pair{.bytes = static_cast<double>(logits.nbytes()), .plain_records = temperature == 0};
            pair.plain = [=] { temperature == 0 ? logits.argmax(1) : plain_draw(logits, temperature, top_p); };
            if (ops::can_sample(logits)) {
              pair.ours = [=] { ops::sample(logits, key, {.temperature = temperature, .top_p = top_p}); };
            } else {
              std::vector<DrawKey> keys(static_cast<size_t>(rows));
              pair.ours = [=] { sample(logits, {.temperature = temperature, .top_p = top_p}, keys); };
            }
            return operator_variants(pair, options.device());
          }};
}

}  // namespace

std::vector<Bench> head_benches(BenchScale scale) {
  const bool large = scale == BenchScale::large;
  const int64_t vocabulary = large ? 128256 : 2048, rows = large ? 2048 : 64, sequences = large ? 64 : 8;
  std::vector<Bench> all = {cross_entropy(rows, vocabulary), sampling("greedy", sequences, vocabulary, 0, 1),
                            sampling("top_p", sequences, vocabulary, 0.8, 0.95)};
  if (large) all.push_back(sampling("top_p", 1, vocabulary, 0.8, 0.95));
  return all;
}

}  // namespace bt
