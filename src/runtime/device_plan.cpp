#include "bt/runtime/device_plan.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/data/branches.h"
#include "depth_plan.h"
#include "to_tensor.h"

namespace bt {
namespace {

// Row tables of whole sequences: positions and packed indices.
void fill_rows(const Plan& plan, const std::vector<int64_t>& packed_of, DevicePlan& out) {
  for (const PlanSequence& sequence : plan.sequences) out.rows = std::max(out.rows, sequence.end - sequence.begin);
  std::vector<int64_t> position(static_cast<size_t>(out.sequences * out.rows), 0), packed = position, source;
  for (size_t b = 0; b < plan.sequences.size(); ++b) {
    const PlanSequence& sequence = plan.sequences[b];
    source.push_back(sequence.source);
    for (int64_t at = sequence.begin; at < sequence.end; ++at) {
      const size_t cell = b * static_cast<size_t>(out.rows) + static_cast<size_t>(at - sequence.begin);
      position[cell] = plan.positions[static_cast<size_t>(at)];
      packed[cell] = packed_of[static_cast<size_t>(at)];
    }
  }
  out.position_BT = host_tensor(position, {out.sequences, out.rows});
  out.packed_BT = host_tensor(packed, {out.sequences, out.rows});
  out.source_B = host_tensor(source);
}

void fill_steered(const Plan& plan, const std::vector<int64_t>& plan_index, DevicePlan& out) {
  std::vector<int64_t> steered;
  for (const int64_t at : plan_index) steered.push_back(plan.steered[static_cast<size_t>(at)]);
  for (const Segment& segment : plan.segments) {
    const auto begin = plan.steered.begin() + segment.begin, end = plan.steered.begin() + segment.end;
    if (segment.depth == 0 && std::find(begin, end, uint8_t{1}) != end) out.steers_prompt = true;
  }
  out.steered_N = host_tensor(steered);
}

// Ids, positions and targets in packed order; returns the packed index of every plan token.
std::vector<int64_t> fill_tokens(const Plan& plan, DevicePlan& out) {
  std::vector<int64_t> ids, positions, plan_index, packed_of(plan.ids.size()), supervised, target, depth;
  for (const Segment& segment : plan.segments) {
    for (int64_t at = segment.begin; at < segment.end; ++at) {
      const size_t source = static_cast<size_t>(at);
      packed_of[source] = static_cast<int64_t>(ids.size());
      if (plan.targets[source] >= 0 && plan.branches.empty()) {
        supervised.push_back(packed_of[source]);
        target.push_back(plan.targets[source]);
        depth.push_back(segment.depth);
        out.supervised_in_prompt += segment.depth == 0 ? 1 : 0;
      }
      ids.push_back(plan.ids[source]);
      positions.push_back(plan.positions[source]);
      plan_index.push_back(at);
    }
  }
  out.id_N = host_tensor(ids);
  out.position_N = host_tensor(positions);
  out.plan_index_N = host_tensor(plan_index);
  if (!plan.steered.empty()) fill_steered(plan, plan_index, out);
  out.supervised_M = host_tensor(supervised);
  out.target_M = host_tensor(target);
  out.supervised_depth_M = host_tensor(depth);
  return packed_of;
}

// For rewriting methods. A recurrent latent is a segment of its own, and there may be thousands.
void fill_live(const Plan& plan, DevicePlan& out) {
  const bool has_latents = std::any_of(plan.ids.begin(), plan.ids.end(), [](int32_t id) { return id < 0; });
  if (plan.depths() < 2 || has_latents) return;
  const int64_t first = plan.depth_begin[1], last = static_cast<int64_t>(plan.segments.size());
  out.live = segments_plan(plan, first, last, out.live_begin);
  out.live.sequence_n = out.live.row_n = at::Tensor();
  std::vector<int64_t> sequence;
  for (int64_t i = first; i < last; ++i) sequence.push_back(plan.segments[static_cast<size_t>(i)].sequence);
  out.live_sequence_B = host_tensor(sequence);
}

void fill_branches(const Plan& plan, DevicePlan& out) {
  const auto count = static_cast<int64_t>(plan.branches.size());
  const BranchShape& shape = plan.branch_shape;
  const int64_t own = shape.latents + shape.ahead;
  std::vector<int64_t> sequence, read, join, position, ahead_id, supervised, target, plain;
  for (const PlanBranch& branch : plan.branches) {
    const PlanSequence& text = plan.sequences[static_cast<size_t>(branch.sequence)];
    sequence.push_back(branch.sequence);
    read.push_back(branch.read_end);
    join.push_back(branch.join_end);
    for (int64_t s = 0; s < own; ++s) {
      const bool is_back = s >= shape.latents && !shape.shifts_positions;
      position.push_back(branch.join_end + s - (is_back ? shape.latents : 0));
    }
    for (int64_t a = 0; a < shape.ahead; ++a) {
      const int64_t at = text.begin + branch.join_end + a;
      const int64_t id = at < text.end ? plan.ids[static_cast<size_t>(at)] : 0;
      if (predicts(plan, branch, a)) {
        supervised.push_back(static_cast<int64_t>(ahead_id.size()));
        target.push_back(id);
        plain.push_back(at - 1);  // of one segment each, texts are packed as they stand in the plan
      }
      ahead_id.push_back(id);
    }
  }
  out.supervised_M = host_tensor(supervised);
  out.target_M = host_tensor(target);
  out.branches = {.shape = shape,
                  .sequence_R = host_tensor(sequence),
                  .read_R = host_tensor(read),
                  .join_R = host_tensor(join),
                  .position_RS = host_tensor(position, {count, own}),
                  .ahead_id_RA = host_tensor(ahead_id, {count, shape.ahead}),
                  .plain_M = host_tensor(plain)};
}

std::vector<at::Tensor*> tables_of(DevicePlan& plan) {
  DeviceBranches& branches = plan.branches;
  std::vector<at::Tensor*> tables = {&plan.id_N,         &plan.position_N,         &plan.target_M,
                                     &plan.supervised_M, &plan.supervised_depth_M, &plan.plan_index_N,
                                     &plan.position_BT,  &plan.packed_BT,          &plan.source_B,
                                     &plan.steered_N,    &branches.position_RS,    &branches.ahead_id_RA,
                                     &branches.plain_M};
  const auto add = [&](DepthPlan& depth) {
    tables.insert(tables.end(), {&depth.token_BS, &depth.slot_n, &depth.sequence_n, &depth.row_n, &depth.query_length_B,
                                 &depth.rows_B, &depth.own_row_BS, &depth.step_begin_E, &depth.step_rows_E,
                                 &depth.behind_E, &depth.ordinal_E});
  };
  for (DepthPlan& depth : plan.depths) add(depth);
  add(plan.live);
  tables.push_back(&plan.live_sequence_B);
  std::erase_if(tables, [](const at::Tensor* table) { return !table->defined(); });
  return tables;
}

// As one buffer and one copy. A GPU takes it from pinned memory while the host goes on; the allocator of such memory
// keeps it until the copy is done.
void move_together(const std::vector<at::Tensor*>& tables, at::Device device) {
  int64_t total = 0;
  for (const at::Tensor* table : tables) total += table->numel();
  const at::Tensor host = at::empty({total}, at::TensorOptions(at::kLong).pinned_memory(device.is_cuda()));
  auto* next = host.mutable_data_ptr<int64_t>();
  for (const at::Tensor* table : tables) next = std::copy_n(table->const_data_ptr<int64_t>(), table->numel(), next);
  const at::Tensor moved = host.to(device, /*non_blocking=*/true);
  int64_t begin = 0;
  for (at::Tensor* table : tables) {
    const int64_t count = table->numel();
    *table = moved.narrow(0, begin, count).view(table->sizes());
    begin += count;
  }
}

}  // namespace

DevicePlan to_device(const Plan& plan, at::Device device) {
  DevicePlan out;
  out.tokens = plan.tokens();
  out.sequences = static_cast<int64_t>(plan.sequences.size());
  fill_rows(plan, fill_tokens(plan, out), out);
  for (int64_t depth = 0, token = 0; depth < plan.depths(); ++depth) {
    out.depths.push_back(depth_plan(plan, depth, token));
    token = out.depths.back().token_end;
    if (depth == 0) out.live_begin = token;
  }
  fill_live(plan, out);
  if (!plan.branches.empty()) fill_branches(plan, out);
  move_together(tables_of(out), device);
  if (out.steered_N.defined()) out.steered_N = out.steered_N.to(at::kBool);
  return out;
}

}  // namespace bt
