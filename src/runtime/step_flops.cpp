#include "bt/runtime/step_flops.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "layer_flops.h"

namespace bt {
namespace {

// Tokens before every event of their sequence, those after one, and the same split of the pairs of one layer.
struct Split {
  int64_t before = 0, after = 0;
};

Split tokens(const Plan& plan) {
  Split out;
  for (const Segment& segment : plan.segments)
    (segment.depth == 0 ? out.before : out.after) += segment.end - segment.begin;
  return out;
}

Split pairs(const Plan& plan, int64_t window) {
  Split out;
  for (const Segment& segment : plan.segments) {
    (segment.depth == 0 ? out.before : out.after) += pairs(plan, segment.begin, segment.end, window);
  }
  return out;
}

// Pairs of a voting query and a row it sees, over all events.
int64_t voter_pairs(const Plan& plan, const RowChoiceOptions& options, int64_t window) {
  int64_t sum = 0;
  for (const PlanEvent& event : plan.events) {
    const Segment& segment = plan.segments[static_cast<size_t>(event.segment)];
    const int64_t end = plan.sequences[static_cast<size_t>(event.sequence)].begin + event.rows;
    const int64_t voters = std::min({options.recent, event.rows - event.step_begin, end - segment.begin});
    sum += pairs(plan, end - voters, end, window);
  }
  return sum;
}

// The decoder's forward pass over all tokens, and the head's over the supervised ones.
int64_t decoder_forward(const ModelConfig& model, const Plan& plan) {
  const LayerSizes sizes = layer_sizes(model);
  int64_t sum = 0;
  for (const int64_t window : model.window) {
    sum += 2 * plan.tokens() * sizes.all + 4 * sizes.queries * pairs(plan, 0, plan.tokens(), window);
  }
  return sum;
}

int64_t head_forward(const ModelConfig& model, const Plan& plan) {
  return 2 * plan.supervised_tokens * model.hidden_size * model.vocab_size;
}

// A frozen decoder's part of a rewriting method's backward pass: the head, then the inputs of the tokens after the
// first event. Nothing trains below layer 0's attention.
int64_t frozen_backward(const ModelConfig& model, const Plan& plan) {
  const LayerSizes sizes = layer_sizes(model);
  const int64_t after = tokens(plan).after;
  int64_t sum = head_forward(model, plan) - 2 * after * sizes.qkv;
  for (size_t layer = 0; layer < model.window.size(); ++layer) {
    const int64_t attention = layer == 0 ? 6 : 8;  // no queries in layer 0
    sum += 2 * after * sizes.all + attention * sizes.queries * pairs(plan, model.window[layer]).after;
  }
  return sum;
}

// One block of the processor: its weights per row, its width, and the part of the weights that reads the entry.
struct Block {
  int64_t weights = 0, width = 0, input = 0;
};

// The block over all events of all layers: its forward pass, and the gradient of what it reads.
struct BlockFlops {
  int64_t forward = 0, input = 0;
};

BlockFlops block_flops(const ModelConfig& model, const Plan& plan, const RowChoiceOptions& rows, const Block& block) {
  BlockFlops out;
  for (const int64_t window : model.window) {
    for (const PlanEvent& event : plan.events) {
      const int64_t chosen = chosen_rows(event, rows, window);
      out.forward += 2 * block.weights * chosen + 4 * block.width * chosen * chosen;
      out.input += 2 * block.input * chosen;
    }
  }
  return out;
}

int64_t mass_forward(const ModelConfig& model, const Plan& plan, const RowChoiceOptions& rows) {
  int64_t sum = 0;
  for (const int64_t window : model.window) sum += 2 * layer_sizes(model).queries * voter_pairs(plan, rows, window);
  return sum;
}

StepFlops rewrite_flops(const ModelConfig& model, const Plan& plan, const RowChoiceOptions& rows, const Block& block) {
  const BlockFlops blocks = block_flops(model, plan, rows, block);
  const int64_t decoder = decoder_forward(model, plan) + head_forward(model, plan);
  int64_t scores = 0;  // of the tokens after the first event
  for (const int64_t window : model.window) scores += 2 * layer_sizes(model).queries * pairs(plan, window).after;
  return {decoder + mass_forward(model, plan, rows) + blocks.forward,
          frozen_backward(model, plan) + 2 * blocks.forward - blocks.input, scores + blocks.forward};
}

// Decoder and block trained together, bptt_steps: full. Every product but those of the attention mass has two of its
// size in the backward pass.
StepFlops joint_flops(const ModelConfig& model, const Plan& plan, const RowChoiceOptions& rows, const Block& block) {
  const int64_t trained =
      decoder_forward(model, plan) + head_forward(model, plan) + block_flops(model, plan, rows, block).forward;
  return {trained + mass_forward(model, plan, rows), 2 * trained, 0};
}

// A frozen decoder's backward pass to what enters tokens at the input of layer `first`: the head, then the inputs of
// all `after` tokens from there on.
int64_t inputs_backward(const ModelConfig& model, const Plan& plan, const std::vector<Segment>& after, size_t first) {
  const LayerSizes sizes = layer_sizes(model);
  int64_t sum = head_forward(model, plan);
  for (size_t layer = first; layer < model.window.size(); ++layer) {
    for (const Segment& part : after) {
      sum += 2 * (part.end - part.begin) * sizes.all +
             8 * sizes.queries * pairs(plan, part.begin, part.end, model.window[layer]);
    }
  }
  return sum;
}

// Every sequence from its first latent on.
std::vector<Segment> from_latents(const Plan& plan) {
  std::vector<Segment> out;
  for (const PlanSequence& sequence : plan.sequences) {
    int64_t begin = sequence.begin;
    while (begin < sequence.end && plan.ids[static_cast<size_t>(begin)] >= 0) ++begin;
    out.push_back({.begin = begin, .end = sequence.end});
  }
  return out;
}

// Latents among the tokens, as embeddings or as states of the decoder.
StepFlops latents_flops(const ModelConfig& model, const Plan& plan, bool train_backbone) {
  if (train_backbone) return sft_flops(model, plan);
  return {decoder_forward(model, plan) + head_forward(model, plan), inputs_backward(model, plan, from_latents(plan), 0),
          0};
}

// Learned directions enter tokens after the first event.
StepFlops steer_flops(const ModelConfig& model, const Plan& plan, const SteerOptions& options) {
  std::vector<Segment> after;
  std::copy_if(plan.segments.begin(), plan.segments.end(), std::back_inserter(after),
               [](const Segment& segment) { return segment.depth > 0; });
  const auto lowest = std::min_element(options.layers.begin(), options.layers.end());
  const auto first = static_cast<size_t>(lowest == options.layers.end() ? 0 : *lowest);
  return {decoder_forward(model, plan) + head_forward(model, plan), inputs_backward(model, plan, after, first), 0};
}

// Adapter weights per token and layer, and how many of the adapted projections read the layer's first norm.
struct Adapters {
  int64_t weights = 0, first = 0;
};

Adapters adapters(const ModelConfig& model, const LoraOptions& options) {
  const LayerSizes sizes = layer_sizes(model);
  Adapters out;
  for (const std::string_view name : options.targets) {
    const bool attention = name == "q" || name == "k" || name == "v";
    const int64_t output = name == "q" ? sizes.queries : sizes.keys;
    const int64_t both = attention ? model.hidden_size + output
                                   : model.hidden_size + (name == "o" ? sizes.queries : model.intermediate_size);
    out.weights += options.rank * both;
    out.first += attention ? 1 : 0;
  }
  return out;
}

}  // namespace

int64_t chosen_rows(const PlanEvent& event, const RowChoiceOptions& options, int64_t window) {
  if (event.step_begin >= event.rows) return 0;
  const int64_t reach =
      window > 0 ? std::max<int64_t>(0, event.rows - window + 1) : 0;  // first row the next token sees
  const int64_t first = options.window == "step" ? event.step_begin : 0;
  const int64_t recent_begin = std::max(first, event.rows - options.recent);
  const int64_t recent = options.rewrite_recent ? std::max<int64_t>(0, event.rows - std::max(recent_begin, reach)) : 0;
  const int64_t earlier = std::max<int64_t>(0, recent_begin - std::max(options.recall_exclude_first, reach));
  return recent + std::min(options.recall, earlier);
}

StepFlops sft_flops(const ModelConfig& model, const Plan& plan) {
  const int64_t forward = decoder_forward(model, plan) + head_forward(model, plan);
  return {forward, 2 * forward, 0};
}

StepFlops processor_flops(const ModelConfig& model, const Plan& plan, const BtOptions& options) {
  const int64_t width = options.width, entry = 2 * model.kv_heads * model.head_dim;
  const int64_t changed = options.rewrites == "both" ? entry : entry / 2;
  const int64_t weights = width * (entry + changed) + 4 * width * width + 3 * width * options.feed_forward;
  const Block block{weights, width, width * entry};
  return options.train_backbone ? joint_flops(model, plan, options.rows, block)
                                : rewrite_flops(model, plan, options.rows, block);
}

StepFlops lora_flops(const ModelConfig& model, const Plan& plan, const LoraOptions& options) {
  const LayerSizes sizes = layer_sizes(model);
  const Adapters adapted = adapters(model, options);
  const int64_t all = plan.tokens(), layers = model.layers;
  const int64_t head = head_forward(model, plan), decoder = decoder_forward(model, plan);
  const int64_t forward = decoder + head + 2 * all * layers * adapted.weights;
  int64_t attention = 0;  // its backward pass is twice its forward pass; the projections' inputs once
  for (const int64_t window : model.window) attention += 4 * sizes.queries * pairs(plan, 0, all, window);
  const int64_t backward = decoder + attention + head - 2 * all * sizes.qkv + 4 * all * layers * adapted.weights -
                           2 * all * adapted.first * options.rank * model.hidden_size;
  return {forward, backward, 0};
}

std::optional<StepFlops> step_flops(const ModelConfig& model, const Plan& plan, const Options* method) {
  if (method == nullptr) return sft_flops(model, plan);
  if (dynamic_cast<const AppendRowsOptions*>(method) != nullptr) return std::nullopt;  // what it sees grows by layer
  if (const auto* bt = dynamic_cast<const BtOptions*>(method)) {
    if (bt->rows.recall_share > 0) return std::nullopt;  // how many rows depends on the attention
    return processor_flops(model, plan, *bt);
  }
  if (const auto* constant = dynamic_cast<const ConstantRewriteOptions*>(method)) {
    if (constant->rows.recall_share > 0) return std::nullopt;
    return rewrite_flops(model, plan, constant->rows, {});
  }
  if (const auto* pause = dynamic_cast<const PauseOptions*>(method)) {
    return latents_flops(model, plan, pause->train_backbone);
  }
  if (const auto* rollout = dynamic_cast<const RolloutOptions*>(method)) {
    return latents_flops(model, plan, rollout->train_backbone);
  }
  if (const auto* steer = dynamic_cast<const SteerOptions*>(method)) return steer_flops(model, plan, *steer);
  if (const auto* lora = dynamic_cast<const LoraOptions*>(method)) return lora_flops(model, plan, *lora);
  if (const auto* dca = dynamic_cast<const DcaOptions*>(method)) return coprocessor_flops(model, plan, *dca);
  return std::nullopt;
}

}  // namespace bt
