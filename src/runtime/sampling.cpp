#include "bt/runtime/sampling.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "bt/core/error.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "bt/ops/head.h"
#include "sampling_candidates.h"
#include "sampling_device.h"

namespace bt {
namespace {

// On the host, in float or double; a copy of its own where logits are about to be changed.
at::Tensor on_host(const at::Tensor& logits_AV, bool changed) {
  const auto type = logits_AV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor host = logits_AV.to(at::kCPU, type).contiguous();
  return changed && host.is_alias_of(logits_AV) ? host.clone() : host;
}

// Keskar et al. 2019 (arXiv 1909.05858), as transformers has it: every token counts once, however often it was seen.
void penalise_(const at::Tensor& logits_AV, double penalty, const std::vector<DrawKey>& keys) {
  AT_DISPATCH_FLOATING_TYPES(logits_AV.scalar_type(), "penalise_", [&] {
    for (size_t row = 0; row < keys.size(); ++row) {
      BT_ASSERT(keys[row].seen != nullptr);
      scalar_t* logits = logits_AV.mutable_data_ptr<scalar_t>() + static_cast<int64_t>(row) * logits_AV.size(1);
      for (const int32_t id : *keys[row].seen) {
        if (id >= logits_AV.size(1)) continue;
        const auto by = static_cast<scalar_t>(penalty);
        logits[id] = logits[id] > 0 ? logits[id] / by : logits[id] * by;
      }
    }
  });
}

[[noreturn]] void refuse(double greatest, const DrawKey& key) {
  throw Error(ExitCode::numerical, {.what = "the logits are not finite",
                                    .where = str("request ", key.request, ", token ", key.place),
                                    .found = str(greatest),
                                    .next_step = "check the model's weights, or compute in --dtype float32"});
}

void check_finite(double greatest, const DrawKey& key) {
  if (!std::isfinite(greatest)) refuse(greatest, key);
}

// What a device has chosen: one small copy.
std::vector<int32_t> fetched(const at::Tensor& token_A, const at::Tensor& logits_AV, const std::vector<DrawKey>& keys) {
  const at::Tensor tokens = token_A.cpu();
  std::vector<int32_t> out;
  for (int64_t row = 0; row < tokens.size(0); ++row) {
    const int64_t token = tokens.const_data_ptr<int64_t>()[row];
    if (token < 0) refuse(logits_AV[row].max().item<double>(), keys[static_cast<size_t>(row)]);
    out.push_back(static_cast<int32_t>(token));
  }
  return out;
}

std::vector<int32_t> likeliest(const at::Tensor& logits_AV, const std::vector<DrawKey>& keys) {
  const at::Tensor id_A = logits_AV.argmax(1), value_A = logits_AV.gather(1, id_A.unsqueeze(1)).squeeze(1);
  const at::Tensor values = value_A.to(at::kCPU, at::kDouble), ids = id_A.cpu();
  std::vector<int32_t> out;
  for (int64_t row = 0; row < ids.size(0); ++row) {
    check_finite(values.const_data_ptr<double>()[row], keys[static_cast<size_t>(row)]);
    out.push_back(static_cast<int32_t>(ids.const_data_ptr<int64_t>()[row]));
  }
  return out;
}

template <class T>
void keep_of_row(const T* logits, int64_t vocabulary, const SamplingOptions& options, const DrawKey& key,
                 SamplingScratch& scratch) {
  double greatest = -INFINITY;
  bool any_nan = false;
  for (int64_t id = 0; id < vocabulary; ++id) {
    greatest = std::max(greatest, static_cast<double>(logits[id]));
    any_nan |= std::isnan(logits[id]);
  }
  check_finite(any_nan ? NAN : greatest, key);
  keep_candidates(logits, vocabulary, greatest, options, scratch);
}

double total(const std::vector<Candidate>& kept) {
  double sum = 0;
  for (const Candidate& candidate : kept) sum += candidate.probability;
  return sum;
}

int32_t draw(const std::vector<Candidate>& kept, double uniform) {
  double remaining = uniform * total(kept);
  for (const Candidate& candidate : kept) {
    remaining -= candidate.probability;
    if (remaining < 0) return candidate.id;
  }
  return kept.back().id;
}

}  // namespace

std::vector<int32_t> sample(const at::Tensor& logits_AV, const SamplingOptions& options,
                            const std::vector<DrawKey>& keys) {
  if (ops::can_sample(logits_AV)) return fetched(sample_on_device(logits_AV, options, keys), logits_AV, keys);
  const bool penalised = options.repetition_penalty != 1;
  if (options.temperature <= 0 && !penalised) return likeliest(logits_AV, keys);
  const at::Tensor logits = on_host(logits_AV, penalised);
  if (penalised) penalise_(logits, options.repetition_penalty, keys);
  if (options.temperature <= 0) return likeliest(logits, keys);
  std::vector<int32_t> ids(keys.size());
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "sample", [&] {
    const scalar_t* data = logits.const_data_ptr<scalar_t>();
    const int64_t vocabulary = logits.size(1);
    at::parallel_for(0, logits.size(0), 1, [&](int64_t begin, int64_t end) {
      thread_local SamplingScratch scratch;
      for (int64_t row = begin; row < end; ++row) {
        const DrawKey& key = keys[static_cast<size_t>(row)];
        keep_of_row(data + row * vocabulary, vocabulary, options, key, scratch);
        CounterRng rng(options.seed, key.request, key.place);
        ids[static_cast<size_t>(row)] = draw(scratch.kept, rng.uniform());
      }
    });
  });
  return ids;
}

std::vector<Candidate> candidates(const at::Tensor& logits_V, const SamplingOptions& options, const DrawKey& key) {
  const bool penalised = options.repetition_penalty != 1;
  const at::Tensor logits = on_host(logits_V.unsqueeze(0), penalised);
  if (penalised) penalise_(logits, options.repetition_penalty, {key});
  SamplingScratch scratch;
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "candidates", [&] {
    keep_of_row(logits.const_data_ptr<scalar_t>(), logits.size(1), options, key, scratch);
  });
  const double sum = total(scratch.kept);
  for (Candidate& candidate : scratch.kept) candidate.probability /= sum;
  return std::move(scratch.kept);
}

}  // namespace bt
