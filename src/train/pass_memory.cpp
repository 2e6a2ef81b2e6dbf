#include "bt/train/pass_memory.h"

#include <algorithm>

#include "attention_memory.h"
#include "bt/runtime/linear_cross_entropy.h"
#include "layer_memory.h"

namespace bt {
namespace {

// Tokens whose activations autograd keeps, and those that are only read.
struct Tokens {
  int64_t kept = 0, read = 0;
};

Tokens tokens_of(const DevicePlan& plan, const PassShape& shape) {
  const int64_t live = plan.tokens - plan.live_begin;
  if (!plan.branches.empty()) return {plan.branches.position_RS.numel(), plan.tokens};
  if (shape.trains_backbone || shape.has_adapters || live == 0) return {plan.tokens, 0};
  return {live, plan.live_begin};  // nothing trained reaches the prompts
}

// The head, of `rows` predictions.
class Head {
 public:
  Head(const Decoder& decoder, int64_t rows, const PassShape& shape)
      : states_(rows * decoder.config.hidden_size * shape.element_bytes) {
    const ModelConfig& config = decoder.config;
    const int64_t chunk =
        std::min(rows, cross_entropy_chunk_rows(shape.on_cpu ? at::kCPU : at::kCUDA, config.vocab_size));
    // Without a kernel, in at least fp32: log-probabilities, where the logits are less a copy, and with a soft cap what
    // it takes three times.
    const int64_t wide = std::max<int64_t>(shape.element_bytes, sizeof(float));
    const int64_t copies = config.logit_softcap > 0 ? 4 : shape.element_bytes < wide ? 2 : 1;
    chunk_ = chunk * config.vocab_size * (shape.element_bytes + (shape.on_cpu ? copies * wide : 0));
    weight_ = shape.trains_backbone ? config.vocab_size * config.hidden_size * shape.element_bytes : 0;
    waits_ = config.tie_word_embeddings ? weight_ : 0;
  }

  // The states before and behind the last norm, and the gradients that the forward pass forms.
  PassMemory forward() const { return {.activations = 2 * states_, .logits = chunk_ + states_ + weight_}; }
  // These gradients, and the same times that of the loss.
  PassMemory backward() const { return {.activations = states_, .logits = 2 * (states_ + weight_)}; }
  // A tied head's gradient waits for that of the embedding.
  PassMemory waiting() const { return {.logits = waits_}; }

 private:
  int64_t states_ = 0, chunk_ = 0, weight_ = 0, waits_ = 0;
};

AttentionMemory attention_of(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  if (!plan.branches.empty()) return branch_memory(model, plan, shape);
  if (plan.depths.size() < 2) return text_attention(model, plan, shape);
  if (!shape.truncates) return segment_cache_memory(model, plan, shape);
  AttentionMemory out = truncated_scan_memory(model, plan, shape);
  const AttentionMemory prompts = text_attention(model, plan, shape);
  if (shape.trains_backbone || shape.has_adapters) out.kept = out.kept + prompts.kept;
  out.reading = prompts.reading;
  return out;
}

// A coprocessor's own layers, of the decoder's size, over the latents of all branches.
PassMemory coprocessor(const Decoder& decoder, const DevicePlan& plan, PassShape shape) {
  shape.trains_backbone = true;
  const LayerMemory layer = layer_memory(decoder, shape);
  const int64_t latents = plan.branches.sequence_R.size(0) * plan.branches.shape.latents;
  return {.activations = decoder.config.layers * latents * (layer.kept_attention + layer.kept_mlp)};
}

// Of tokens read without gradient, in one layer: in its attention or behind it.
PassMemory reading_layer(int64_t tokens, const LayerMemory& layer, const AttentionMemory& attention) {
  if (tokens == 0) return {};
  return larger({.activations = tokens * layer.forward},
                {.activations = tokens * layer.forward_attention, .scores = attention.reading.scores});
}

// Without a backward pass: of one layer and of the head.
PassMemory reading(const Decoder& decoder, const DevicePlan& plan, const PassShape& shape, const Head& head) {
  const AttentionMemory attention = attention_of(decoder.config, plan, shape);
  PassMemory layer = reading_layer(plan.tokens, layer_memory(decoder, shape), attention);
  layer.cache = attention.kept.cache;
  return larger(layer, head.forward());
}

}  // namespace

PassMemory pass_memory(const Decoder& decoder, const DevicePlan& plan, const PassShape& shape) {
  const ModelConfig& config = decoder.config;
  const Head head(decoder, plan.supervised_M.size(0), shape);
  if (!shape.records) return reading(decoder, plan, shape, head);
  const LayerMemory layer = layer_memory(decoder, shape);
  const AttentionMemory attention = attention_of(config, plan, shape);
  const Tokens tokens = tokens_of(plan, shape);
  const int64_t stream = config.hidden_size * shape.element_bytes;

  PassMemory kept = config.layers *
                    (attention.kept + PassMemory{.activations = tokens.kept * (layer.kept_attention + layer.kept_mlp)});
  if (tokens.read > 0)
    kept.activations -= tokens.kept * layer.kept_attention;  // the first layer's input needs no gradient

  if (!plan.branches.empty()) kept = kept + coprocessor(decoder, plan, shape);

  PassMemory prompts = reading_layer(tokens.read, layer, attention);
  prompts.activations -= tokens.kept * layer.kept_mlp;
  // The last layer's backward pass, first behind its attention, then in it.
  const PassMemory behind{.activations = std::max(tokens.kept * layer.backward,
                                                  tokens.kept * stream + weight_gradient_bytes(decoder, shape))};
  const PassMemory within = attention.backward + PassMemory{.activations = tokens.kept * (stream - layer.kept_mlp)};
  const PassMemory last_layer = head.waiting() + larger(behind, within);
  return kept + larger(larger(head.forward(), head.backward()), larger(prompts, last_layer));
}

}  // namespace bt
