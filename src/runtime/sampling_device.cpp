#include "sampling_device.h"

#include <ATen/ATen.h>

#include "bt/core/error.h"
#include "bt/ops/head.h"

namespace bt {
namespace {

// The device may still be at work on the logits: nothing waits for it here.
template <class T>
at::Tensor sent(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  return at::tensor(at::ArrayRef<T>(values), type).to(device, /*non_blocking=*/true);
}

// A copy of the logits in fp32, as the host has it.
at::Tensor penalised(const at::Tensor& logits_AV, double penalty, const std::vector<DrawKey>& keys) {
  at::Tensor logits = logits_AV.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
  std::vector<int32_t> id;
  std::vector<int64_t> end;
  for (const DrawKey& key : keys) {
    BT_ASSERT(key.seen != nullptr);
    id.insert(id.end(), key.seen->begin(), key.seen->end());
    end.push_back(static_cast<int64_t>(id.size()));
  }
  ops::penalise_(logits, sent(id, at::kInt, logits.device()), sent(end, at::kLong, logits.device()), penalty);
  return logits;
}

}  // namespace

at::Tensor sample_on_device(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys) {
  at::Tensor key_A2;
  if (options.temperature > 0) {
    std::vector<int64_t> key;
    for (const DrawKey& one : keys) {
      key.push_back(static_cast<int64_t>(one.request));
      key.push_back(static_cast<int64_t>(one.place));
    }
    key_A2 = sent(key, at::kLong, logits_AV.device()).view({-1, 2});
  }
  const bool changed = options.repetition_penalty != 1;
  return ops::sample(changed ? penalised(logits_AV, options.repetition_penalty, keys) : logits_AV, key_A2,
                     {.temperature = options.temperature,
                      .top_k = options.top_k,
                      .top_p = options.top_p,
                      .min_p = options.min_p,
                      .seed = options.seed});
}

}  // namespace bt
