// The Cache Processor's activations (src/latent/processor_block.cpp).
#include <algorithm>

#include "attention_memory.h"

namespace bt {

EditShape edit_shape(const DevicePlan& plan, const BtOptions& options) {
  const RowChoiceOptions& rows = options.rows;
  EditShape out;
  for (const DepthPlan& depth : plan.depths) {
    int64_t most_recent = 0, most_recalled = 0, entries = 0;
    for (size_t e = 0; e < depth.host_event_rows_E.size(); ++e) {
      const int64_t all = depth.host_event_rows_E[e], step = all - depth.host_step_begin_E[e];
      const int64_t recent = std::min(rows.recent, rows.window == "recent" ? all : step);
      const int64_t recalled = std::min(rows.recall, all - recent);
      most_recent = std::max(most_recent, rows.rewrite_recent ? recent : 0);
      most_recalled = std::max(most_recalled, recalled);
      entries += (rows.rewrite_recent ? recent : 0) + recalled;
    }
    const int64_t width = most_recent + most_recalled;
    out.slots += depth.events * width;
    out.entries += entries;
    out.pairs += depth.events * width * width;
  }
  return out;
}

int64_t edit_bytes(const ModelConfig& model, const EditShape& edits, const PassShape& shape) {
  const BtOptions& options = *shape.processor;
  const int64_t entry = 2 * model.kv_heads * model.head_dim, width = options.width;
  const int64_t packed = shape.on_cpu ? edits.entries : edits.slots;  // PackedSlots
  // Inputs of w_in, of the three norms, of w_qkv, w_o, w_gate_up and w_out; angles of queries and keys.
  const int64_t linear = entry + 3 * width + 4 * width + (options.processor_rope ? 2 * width / options.heads : 0);
  const int64_t feed_forward = 4 * options.feed_forward;  // gate, its activation, up, their product
  const int64_t attention = 3 * width;                    // queries, keys, values
  const int64_t change = 2 * entry;                       // before and behind the gate
  const int64_t probabilities = shape.on_cpu ? options.heads * edits.pairs : 0;
  return (packed * (linear + feed_forward) + edits.slots * (attention + change) + probabilities) * shape.element_bytes;
}

}  // namespace bt
