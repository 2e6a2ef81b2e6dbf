// Decoding with all slots live: the decoder alone, with the Cache Processor acting every few tokens, and with a
// coprocessor after the prompt.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "bench.h"
#include "bench_models.h"
#include "bt/core/strings.h"
#include "bt/runtime/decoding_memory.h"
#include "bt/train/memory.h"

namespace bt {
namespace {

struct DecodingModel {
  Backbone backbone;
  std::unique_ptr<Method> method;
  BoundaryTable table;
};

// Greedy decoding whose tokens are then replaced, so that a step ends every `step_tokens` tokens.
ChooseTokens steps_of(int64_t step_tokens) {
  return [step_tokens, greedy = sampler({})](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    std::vector<int32_t> ids = greedy(logits_AV, rows);
    for (size_t a = 0; a < rows.size(); ++a) ids[a] = (rows[a].generated + 1) % step_tokens == 0 ? kBenchNewline : 5;
    return ids;
  };
}

DecodingShape decoding_shape(const BenchSize& size, int64_t new_tokens) {
  return {.slots = size.sequences, .capacity = size.batch[0].prompt_length + new_tokens + 64};
}

// In fp32: what the processor adds to weights and cache.
std::string memory_line(const BenchSize& size) {
  const c10::TensorOptions nowhere = c10::TensorOptions(at::kFloat).device(at::kMeta);
  const Backbone backbone = make_backbone(size.model, nowhere, 1, /*trainable=*/false);
  const auto method = make_method("bt", size.processor, {size.model, nowhere, 1});
  const DecodingMemory memory =
      decoding_memory(backbone.decoder, method.get(), decoding_shape(size, 3 * size.step_tokens));
  const auto without = static_cast<double>(backbone.parameters->flat().nbytes() + memory.cache);
  return str("\nmemory in float32: weights ", bytes_text(backbone.parameters->flat().nbytes()), ", cache ",
             bytes_text(memory.cache), "; the processor adds parameters ", bytes_text(memory.method),
             " and kept queries ", bytes_text(memory.queries), ", ",
             std::round(1000 * static_cast<double>(memory.added()) / without) / 10, " %");
}

void decode(const DecodingModel& model, const BenchSize& size, int64_t new_tokens) {
  at::NoGradGuard no_grad;
  const int64_t prompt = size.batch[0].prompt_length;
  Decoding engine(model.backbone.decoder, model.method.get(), model.table, {}, {}, decoding_shape(size, new_tokens),
                  steps_of(size.step_tokens));
  std::vector<DecodingRequest> requests;
  for (const Example& one : size.batch) {
    requests.push_back({static_cast<uint64_t>(one.source), {one.ids.begin(), one.ids.begin() + prompt}, new_tokens});
  }
  engine.admit(requests);
  while (!engine.idle()) engine.step();
}

Variant variant(std::string name, const BenchSize& size, const c10::TensorOptions& options, bool with_processor) {
  const int64_t new_tokens = 3 * size.step_tokens;
  auto model = std::make_shared<DecodingModel>();
  model->backbone = make_backbone(size.model, options, 1, /*trainable=*/false);
  if (with_processor) model->method = make_method("bt", size.processor, {size.model, options, 1});
  model->table = bench_boundaries(size.model);
  return {.name = std::move(name),
          .run = [model, size, new_tokens] { decode(*model, size, new_tokens); },
          .tokens = static_cast<double>(size.sequences * new_tokens)};
}

// The whole text as prompt, at whose end the coprocessor is called; then as many tokens as latents.
Variant with_latents(std::string name, const c10::TensorOptions& options, bool has_method, bool asynchronous) {
  BenchSize size = plain_text_size();
  for (Example& one : size.batch) one.prompt_length = static_cast<int64_t>(one.ids.size());
  size.step_tokens = size.coprocessor.latents;
  size.coprocessor.asynchronous = asynchronous;
  auto model = std::make_shared<DecodingModel>();
  model->backbone = make_backbone(size.model, options, 1, /*trainable=*/false);
  if (has_method) model->method = make_method("dca", size.coprocessor, {size.model, options, 1});
  model->table = BoundaryTable::from_ids(size.model.vocab_size, {});
  const int64_t new_tokens = 2 * size.step_tokens;
  return {.name = std::move(name),
          .run = [model, size, new_tokens] { decode(*model, size, new_tokens); },
          .tokens = static_cast<double>(size.sequences * new_tokens)};
}

Bench coprocessor_decoding() {
  const BenchSize size = plain_text_size();
  return {"decode/" + size.name, str(size.shape, "; 64 tokens after it, prefill included"),
          [](const c10::TensorOptions& options) {
            return std::vector<Variant>{with_latents("the decoder alone", options, false, false),
                                        with_latents("latents at once", options, true, false),
                                        with_latents("latents beside decoding", options, true, true)};
          }};
}

Bench decoding(const BenchSize& size) {
  return {"decode/" + size.name,
          str(size.shape, "; a step of ", size.step_tokens, " tokens, prefill included", memory_line(size)),
          [size](const c10::TensorOptions& options) {
            return std::vector<Variant>{variant("the decoder alone", size, options, false),
                                        variant("with the processor", size, options, true)};
          }};
}

}  // namespace

// Of small models alone: with a large one the prefill would drown the rest (bench_boundaries.cpp).
std::vector<Bench> decoding_benches(BenchScale scale) {
  if (scale == BenchScale::large) return {};
  return {decoding(quickstart_size()), decoding(gsm8k_like_size()), coprocessor_decoding()};
}

}  // namespace bt
