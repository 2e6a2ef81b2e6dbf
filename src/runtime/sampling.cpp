#include "bt/runtime/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "bt/core/random.h"

namespace bt {
namespace {

int32_t draw(const double* probability, int64_t vocabulary, const SamplingOptions& options, double uniform) {
  std::vector<int32_t> order(static_cast<size_t>(vocabulary));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return probability[a] > probability[b]; });
  if (options.top_k > 0 && options.top_k < vocabulary) order.resize(static_cast<size_t>(options.top_k));
  double held = 0;
  size_t kept = 0;
  const double kept_by_k =
      std::accumulate(order.begin(), order.end(), 0.0, [&](double sum, int32_t id) { return sum + probability[id]; });
  while (kept < order.size() && (kept == 0 || held < options.top_p * kept_by_k)) held += probability[order[kept++]];
  double remaining = uniform * held;
  for (size_t i = 0; i + 1 < kept; ++i) {
    remaining -= probability[order[i]];
    if (remaining < 0) return order[i];
  }
  return order[kept - 1];
}

}  // namespace

std::vector<int32_t> sample(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys) {
  const int64_t rows = logits_AV.size(0), vocabulary = logits_AV.size(1);
  std::vector<int32_t> ids;
  if (options.temperature <= 0) {
    const at::Tensor best = logits_AV.argmax(1).cpu();
    const int64_t* data = best.const_data_ptr<int64_t>();
    for (int64_t row = 0; row < rows; ++row) ids.push_back(static_cast<int32_t>(data[row]));
    return ids;
  }
  const at::Tensor probability = (logits_AV.to(at::kDouble) / options.temperature).softmax(1).cpu().contiguous();
  for (int64_t row = 0; row < rows; ++row) {
    CounterRng rng(options.seed, keys[static_cast<size_t>(row)].request, keys[static_cast<size_t>(row)].place);
    ids.push_back(draw(probability.const_data_ptr<double>() + row * vocabulary, vocabulary, options, rng.uniform()));
  }
  return ids;
}

}  // namespace bt
