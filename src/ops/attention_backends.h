// Which of LibTorch's attention kernels work, and how, for the time of a call.
#pragma once

#include <ATen/Context.h>

namespace bt::ops {

inline constexpr double kNoDropout = 0;

// cuDNN, which LibTorch prefers on some GPUs, makes a plan for every shape that it meets, and events of a batch have
// many; its gradient may differ from run to run, and is NaN for some masks (pytorch issue 196678).
class WithoutCudnn {
 public:
  WithoutCudnn() { context_.setSDPUseCuDNN(false); }
  ~WithoutCudnn() { context_.setSDPUseCuDNN(was_on_); }
  WithoutCudnn(const WithoutCudnn&) = delete;
  WithoutCudnn& operator=(const WithoutCudnn&) = delete;

 private:
  at::Context& context_ = at::globalContext();
  const bool was_on_ = context_.userEnabledCuDNNSDP();
};

// Without it the kernels add up a gradient in any order; one that only warns changes nothing for them. On while a
// gradient is computed alone: elsewhere LibTorch would sort indices that are known to be unique.
class Deterministic {
 public:
  Deterministic() {
    context_.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context_.setDeterministicFillUninitializedMemory(false);
  }
  ~Deterministic() {
    context_.setDeterministicAlgorithms(was_on_, warned_only_);
    context_.setDeterministicFillUninitializedMemory(filled_);
  }
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  at::Context& context_ = at::globalContext();
  const bool was_on_ = context_.deterministicAlgorithms(), warned_only_ = context_.deterministicAlgorithmsWarnOnly(),
             filled_ = context_.deterministicFillUninitializedMemory();
};

}  // namespace bt::ops
