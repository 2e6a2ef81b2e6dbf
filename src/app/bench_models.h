// The sizes that benches run at: the quickstart's, one like a small model on GSM8K, and plain text for a coprocessor.
#pragma once

#include <memory>

#include "bt/data/plan.h"
#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/options/method_options.h"

namespace bt {

struct BenchSize {
  std::string name, shape;
  ModelConfig model;
  BtOptions processor;
  DcaOptions coprocessor;
  int64_t sequences = 0, step_tokens = 0;
  std::vector<Example> batch;
};

BenchSize quickstart_size();
BenchSize gsm8k_like_size();
BenchSize plain_text_size();  // without steps

BoundaryTable bench_boundaries(const ModelConfig& model);

inline constexpr int32_t kBenchNewline = 2;

}  // namespace bt
