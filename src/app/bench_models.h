// The sizes that benches run at: the quickstart's, one like a small model on GSM8K, plain text for a coprocessor, and
// Llama-3.2-1B with the paper's shapes.
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
// Llama-3.2-1B (1.24e9 weights). Texts of a prompt of 100 tokens and 10 steps of 25; ragged: prompts of 40 to 119, 3 to
// 8 steps of 15 to 39.
BenchSize llama_1b_size(int64_t sequences, bool ragged);

// A text of prompt and steps, the last without a newline at its end; ids are random, but for newlines.
Example bench_text(int64_t source, int64_t prompt, const std::vector<int64_t>& steps, int64_t vocabulary);
BoundaryTable bench_boundaries(const ModelConfig& model);

inline constexpr int32_t kBenchNewline = 2;

}  // namespace bt
