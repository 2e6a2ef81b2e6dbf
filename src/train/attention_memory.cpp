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
  int64_t share = 0;  // of a mask for the queries of one group
};

Sizes sizes_of(const ModelConfig& model, const PassShape& shape) {
  const int64_t bytes = shape.element_bytes, wide = std::max<int64_t>(bytes, 4);
  return {model.heads * model.head_dim * bytes, 2 * model.kv_heads * model.head_dim * bytes, model.heads * wide,
          model.heads / model.kv_heads * bytes};
}

// The backward operator of a batch: what it reads in its own order, and what it takes of the scores' size. On a CPU a
// mask for the flash kernel; elsewhere, where there is no kernel, scores, probabilities and their gradients, in at
// least fp32.
PassMemory backward_operator(const Segments& batch, const Sizes& size, const PassShape& shape) {
  if (shape.on_cpu) return {.activations = 3 * batch.slots * size.query, .scores = batch.slots_times_rows * size.share};
  if (shape.has_attention_kernel) return {.activations = batch.slots * (size.query + size.score)};
  return {.activations = batch.slots * size.query, .scores = 4 * batch.slots_times_rows * size.score};
}

}  // namespace

AttentionMemory text_attention(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape) {
  const Sizes size = sizes_of(model, shape);
  const Segments texts = of_depth(plan.depths[0]);
  AttentionMemory out;
  out.kept.activations = texts.slots * (2 * size.query + size.entry);  // padded queries, keys, values; output
  out.backward.activations = texts.slots * (3 * size.query + size.entry);
  if (shape.has_attention_kernel) {
    out.backward.activations += 4 * texts.slots * size.query;  // flash: of queries in fp32; of keys and values by head
  } else if (!shape.on_cpu) {
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
    out.backward = segments + backward_operator(most, size, shape) +
                   PassMemory{.activations = live.slots * size.query, .cache = (live.rows + most.rows) * size.entry};
    return out;
  }
  const Segments batch = stacked(plan);
  const PassMemory gradients{.activations = batch.slots * size.query, .cache = batch.rows * size.entry};
  const PassMemory gathered{.activations = 3 * batch.slots * size.query,
                            .cache = batch.rows * (size.entry + 2 * kIndex)};
  const PassMemory own{.activations = live_tokens * (size.query + size.entry) + graph + of_layer,
                       .cache = 2 * edits.slots * size.entry};
  out.backward = segments + gradients + larger(gathered + backward_operator(batch, size, shape), own);
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
