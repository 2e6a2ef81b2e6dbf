#include "attention_memory.h"

#include <algorithm>

namespace bt {
namespace {

// Segments of some depths: those of a batch, or what they are padded to.
struct Segments {
  int64_t count = 0;  // segments
  int64_t slots = 0;  // queries, padding included
  int64_t rows = 0;   // cached rows that they see, padding included
  int64_t slots_times_rows = 0;
};

Segments of_depth(const DepthPlan& depth) {
  const int64_t slots = depth.sequences * depth.width;
  return {depth.sequences, slots, depth.sequences * depth.rows, slots * depth.rows};
}

Segments live_segments(const DevicePlan& plan) {
  Segments sum;
  for (size_t depth = 1; depth < plan.depths.size(); ++depth) {
    const Segments one = of_depth(plan.depths[depth]);
    sum = {sum.count + one.count, sum.slots + one.slots, sum.rows + one.rows,
           sum.slots_times_rows + one.slots_times_rows};
  }
  return sum;
}

// All live segments as one batch.
Segments stacked(const DevicePlan& plan) {
  int64_t count = 0, width = 0, rows = 0;
  for (size_t depth = 1; depth < plan.depths.size(); ++depth) {
    count += plan.depths[depth].sequences;
    width = std::max(width, plan.depths[depth].width);
    rows = std::max(rows, plan.depths[depth].rows);
  }
  return {count, count * width, count * rows, count * width * rows};
}

Segments largest(const DevicePlan& plan) {
  Segments most;
  for (size_t depth = 1; depth < plan.depths.size(); ++depth) {
    const Segments one = of_depth(plan.depths[depth]);
    if (one.slots_times_rows > most.slots_times_rows) most = one;
  }
  return most;
}

// Bytes of a query (or its output), of an entry of the cache, and of all heads' scores of a query and a row.
struct Sizes {
  int64_t query = 0, entry = 0, score = 0;
  int64_t share = 0;                       // of a mask for the queries of one group
  int64_t wide_query = 0, wide_entry = 0;  // in at least fp32, as gradients are
};

Sizes sizes_of(const ModelConfig& model, const PassShape& shape) {
  const int64_t bytes = shape.element_bytes, wide = std::max<int64_t>(bytes, 4);
  const int64_t query = model.heads * model.head_dim, entry = 2 * model.kv_heads * model.head_dim;
  return {query * bytes, entry * bytes, model.heads * wide, model.heads / model.kv_heads * bytes,
          query * wide,  entry * wide};
}

// Sequences whose scores are held at a time (src/ops/sequence_parts.h).
int64_t at_once(const ModelConfig& model, const Segments& batch, const PassShape& shape) {
  const int64_t count = std::max<int64_t>(1, batch.count);
  const int64_t scores = std::max<int64_t>(1, batch.slots_times_rows / count * model.heads);
  return std::clamp<int64_t>((int64_t{1} << (shape.on_cpu ? 22 : 26)) / scores, 1, count);
}

// Of a CPU (src/ops/flash_on_cpu.h).
bool takes_flash(const ModelConfig& model, const PassShape& shape) {
  return shape.on_cpu && shape.element_bytes >= 4 && model.attention_softcap == 0;
}

// Scores, probabilities and their gradients; keys and values are copied.
PassMemory plain_backward(const ModelConfig& model, const Segments& batch, const Sizes& size, const PassShape& shape) {
  const int64_t count = std::max<int64_t>(1, batch.count), part = at_once(model, batch, shape);
  return {.activations = part * (batch.slots / count * size.wide_query),
          .cache = part * (batch.rows / count * size.wide_entry),
          .scores = part * (4 * (batch.slots_times_rows / count) * size.score)};
}

// The backward operator of a batch: what it reads in its own order, and what it takes of the scores' size; of a flash
// kernel on a CPU a mask.
PassMemory backward_operator(const ModelConfig& model, const Segments& batch, const Sizes& size,
                             const PassShape& shape) {
  if (takes_flash(model, shape))
    return {.activations = 3 * batch.slots * size.query, .scores = batch.slots_times_rows * size.share};
  if (shape.has_attention_kernel) return {.activations = batch.slots * (size.query + size.score)};
  return plain_backward(model, batch, size, shape);
}

}  // namespace

// Scores of whole texts on a CPU, on average over the layers: those that LibTorch's causal kernel does not take
// (ops::causal_attention). With a gradient probabilities are kept, and with a cap the scores before its factor; without
// one there is a mask for the flash kernel, or of a part of the texts scores and probabilities.
void add_scores_of_texts(const ModelConfig& model, const DepthPlan& depth, const Sizes& size, const PassShape& shape,
                         AttentionMemory& out) {
  const Segments texts = of_depth(depth);
  const auto holds = [&](int64_t window) {
    return model.attention_softcap > 0 || (window > 0 && window < depth.width);
  };
  const int64_t held = std::count_if(model.window.begin(), model.window.end(), holds);
  if (held == 0) return;
  const int64_t scores = texts.slots_times_rows * size.score;
  out.kept.scores += (model.attention_softcap > 0 ? 2 : 1) * scores * held / model.layers;
  // The gradients of a layer below the last come when what the last one kept is gone.
  out.backward.scores += (holds(model.window.back()) ? 3 : 1) * scores;
  const int64_t mask = texts.slots_times_rows * (size.share + shape.element_bytes);
  out.reading.scores = takes_flash(model, shape) ? mask : 2 * (scores / texts.count) * at_once(model, texts, shape);
}

AttentionMemory text_attention(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  const Sizes size = sizes_of(model, shape);
  const Segments texts = of_depth(plan.depths[0]);
  AttentionMemory out;
  out.kept.activations = texts.slots * (2 * size.query + size.entry);  // padded queries, keys, values; output
  out.backward.activations = texts.slots * (3 * size.query + size.entry);
  if (shape.has_attention_kernel) {
    out.backward.activations += 4 * texts.slots * size.query;  // flash: of queries in fp32; of keys and values by head
  } else if (shape.on_cpu) {
    add_scores_of_texts(model, plan.depths[0], size, shape, out);
  } else {
    out.backward.scores = 4 * texts.slots_times_rows * size.score;
  }
  return out;
}

AttentionMemory truncated_scan_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  constexpr int64_t kIndex = sizeof(int64_t);
  const Sizes size = sizes_of(model, shape);
  const Segments live = live_segments(plan);
  const int64_t live_tokens = plan.tokens - plan.live_begin;
  const EditShape edits = shape.processor != nullptr ? edit_shape(plan, *shape.processor) : EditShape{};
  const int64_t graph = shape.processor != nullptr ? edit_bytes(model, edits, shape) : 0;
  const int64_t of_layer = shape.method_parameters / model.layers * shape.element_bytes;
  AttentionMemory out;
  out.kept.activations = live_tokens * size.query + live.slots * size.query;           // queries, padded outputs
  out.kept.cache = (plan.tokens + 2 * edits.slots) * size.entry + live.rows * kIndex;  // pool, entries, versions
  // Gradients of the output; queries and these gradients, padded.
  const PassMemory segments{.activations = live_tokens * size.query + 2 * live.slots * size.query};
  if (shape.keeps_activations) {
    out.kept.activations += graph;
    const Segments most = largest(plan);
    out.backward = segments + backward_operator(model, most, size, shape) +
                   PassMemory{.activations = live.slots * size.query, .cache = (live.rows + most.rows) * size.entry};
    return out;
  }
  const Segments batch = stacked(plan);
  const PassMemory gradients{.activations = batch.slots * size.query, .cache = batch.rows * size.entry};
  const PassMemory gathered{.activations = 3 * batch.slots * size.query,
                            .cache = batch.rows * (size.entry + 2 * kIndex)};
  const PassMemory own{.activations = live_tokens * (size.query + size.entry) + graph + of_layer,
                       .cache = 2 * edits.slots * size.entry};
  out.backward = segments + gradients + larger(gathered + backward_operator(model, batch, size, shape), own);
  return out;
}

AttentionMemory segment_cache_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  const Sizes size = sizes_of(model, shape);
  AttentionMemory out;
  for (const DepthPlan& depth : plan.depths) {
    const Segments one = of_depth(depth);
    out.kept.activations += 2 * one.slots * size.query;
    out.kept.cache += one.rows * size.entry;
    if (shape.on_cpu) out.kept.scores += one.slots_times_rows * size.score;
  }
  if (shape.processor != nullptr) out.kept.activations += edit_bytes(model, edit_shape(plan, *shape.processor), shape);
  const Segments most = largest(plan);
  out.backward = {.cache = 2 * plan.sequences * plan.rows * size.entry,
                  .scores = shape.has_attention_kernel ? 0 : 3 * most.slots_times_rows * size.score};
  return out;
}

AttentionMemory branch_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  const Sizes size = sizes_of(model, shape);
  const int64_t rows = plan.branches.position_RS.numel();
  AttentionMemory out;
  out.kept.activations = rows * (2 * size.query + size.entry);
  out.kept.cache = plan.sequences * plan.rows * size.entry;
  out.backward.activations = rows * (2 * size.query + size.entry);
  return out;
}

}  // namespace bt
