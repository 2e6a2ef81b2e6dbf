// FLOPs of training on branches.
#include <algorithm>
#include <string_view>

#include "bt/runtime/step_flops.h"
#include "layer_flops.h"

namespace bt {
namespace {

// Rows of branches, and pairs of a query and a row of the text or of its branch that it sees in one layer.
struct BranchRows {
  int64_t rows = 0;
  int64_t in_text = 0, own = 0;
};

// Rows [0, end) that a query at a position sees.
int64_t visible_before(int64_t end, int64_t position, int64_t window) {
  return window > 0 ? std::clamp<int64_t>(end - position + window - 1, 0, end) : end;
}

void add_latents(BranchRows& sum, int64_t end, int64_t latents, int64_t window) {
  sum.rows += latents;
  for (int64_t m = 0; m < latents; ++m) {
    sum.in_text += visible_before(end, end + m, window);
    sum.own += visible(m, window);
  }
}

void add_ahead(BranchRows& sum, int64_t end, int64_t ahead, const BranchShape& shape, int64_t window) {
  sum.rows += ahead;
  for (int64_t a = 0; a < ahead; ++a) {
    const int64_t place = shape.shifts_positions ? shape.latents + a : a;
    sum.in_text += visible_before(end, end + place, window);
    sum.own +=
        shape.shifts_positions ? visible(place, window) : visible(a, window) + visible_before(shape.latents, a, window);
  }
}

int64_t ahead_of(const Plan& plan, const PlanBranch& branch) {
  const PlanSequence& text = plan.sequences[static_cast<size_t>(branch.sequence)];
  return std::min(plan.branch_shape.ahead, text.end - text.begin - branch.join_end);
}

BranchRows read_rows(const Plan& plan, int64_t window) {
  BranchRows sum;
  for (const PlanBranch& branch : plan.branches) add_latents(sum, branch.read_end, plan.branch_shape.latents, window);
  return sum;
}

BranchRows joined_rows(const Plan& plan, int64_t window) {
  BranchRows sum;
  for (const PlanBranch& branch : plan.branches) {
    add_latents(sum, branch.join_end, plan.branch_shape.latents, window);
    add_ahead(sum, branch.join_end, ahead_of(plan, branch), plan.branch_shape, window);
  }
  return sum;
}

int64_t ahead_rows(const Plan& plan) {
  int64_t sum = 0;
  for (const PlanBranch& branch : plan.branches) sum += ahead_of(plan, branch);
  return sum;
}

// The frozen decoder over the texts; of the last layer the keys and values alone are read. A gate reads all of it, and
// is trained on what it predicts.
int64_t text_forward(const ModelConfig& model, const Plan& plan, bool is_gated) {
  const LayerSizes sizes = layer_sizes(model);
  const size_t finished = model.window.size() - (is_gated ? 0 : 1);
  int64_t sum =
      is_gated ? 2 * plan.supervised_tokens * model.hidden_size * model.vocab_size : 2 * plan.tokens() * sizes.qkv;
  for (size_t layer = 0; layer < finished; ++layer)
    sum += 2 * plan.tokens() * sizes.all + 4 * sizes.queries * pairs(plan, 0, plan.tokens(), model.window[layer]);
  return sum;
}

// Attention of branches. Backward: the text's keys and values have no gradient.
void add_attention(StepFlops& flops, int64_t queries, const BranchRows& rows) {
  flops.forward += 4 * queries * (rows.in_text + rows.own);
  flops.backward += queries * (4 * rows.in_text + 8 * rows.own);
  flops.recomputed += 2 * queries * (rows.in_text + rows.own);
}

// Adapters: weights a row and layer.
int64_t adapter_weights(const ModelConfig& model, const DcaOptions& options) {
  const LayerSizes sizes = layer_sizes(model);
  int64_t weights = 0;
  for (const std::string_view name : options.targets) {
    const bool is_mlp = name == "gate" || name == "up" || name == "down";
    const int64_t other = is_mlp ? model.intermediate_size : name == "k" || name == "v" ? sizes.keys : sizes.queries;
    weights += options.rank * (model.hidden_size + other);
  }
  return weights;
}

void add_coprocessor(StepFlops& flops, const ModelConfig& model, const Plan& plan, const DcaOptions& options) {
  const ModelConfig own = options.coprocessor_config(model);
  const LayerSizes sizes = layer_sizes(own);
  const bool is_frozen = options.coprocessor == "lora";
  for (const int64_t window : own.window) {
    const BranchRows rows = read_rows(plan, window);
    const int64_t weights = 2 * rows.rows * sizes.all;
    flops.forward += weights;
    flops.backward += is_frozen ? weights : 2 * weights;
    if (is_frozen) {
      const int64_t adapters = 2 * rows.rows * adapter_weights(own, options);
      flops.forward += adapters;
      flops.backward += 2 * adapters;
    }
    add_attention(flops, sizes.queries, rows);
  }
  if (own.hidden_size == model.hidden_size) return;
  const int64_t output = 2 * read_rows(plan, 0).rows * own.hidden_size * model.hidden_size;
  flops.forward += output;
  flops.backward += 2 * output;
}

// Of the last layer, attention runs on all rows and the rest on those that predict.
void add_branches(StepFlops& flops, const ModelConfig& model, const Plan& plan) {
  const LayerSizes sizes = layer_sizes(model);
  for (size_t layer = 0; layer < model.window.size(); ++layer) {
    const BranchRows rows = joined_rows(plan, model.window[layer]);
    const int64_t finished = layer + 1 == model.window.size() ? ahead_rows(plan) : rows.rows;
    const int64_t weights = 2 * rows.rows * sizes.qkv + 2 * finished * (sizes.all - sizes.qkv);
    flops.forward += weights;
    flops.backward += weights;
    add_attention(flops, sizes.queries, rows);
  }
  const int64_t head = 2 * plan.supervised_tokens * model.hidden_size * model.vocab_size;
  flops.forward += head;
  flops.backward += head;
}

}  // namespace

StepFlops coprocessor_flops(const ModelConfig& model, const Plan& plan, const DcaOptions& options) {
  StepFlops flops{text_forward(model, plan, options.calls == "learned"), 0, 0};
  add_coprocessor(flops, model, plan, options);
  add_branches(flops, model, plan);
  return flops;
}

}  // namespace bt
