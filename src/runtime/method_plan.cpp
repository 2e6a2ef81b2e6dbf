#include "bt/runtime/method_plan.h"

#include <algorithm>

#include "bt/core/checked.h"
#include "bt/data/splice.h"
#include "steered_tokens.h"

namespace bt {
namespace {

TriggerOptions never(TriggerOptions trigger) {
  trigger.kind = "none";
  trigger.at_prompt_end = false;
  return trigger;
}

LatentSplice splice_of(const Append& append, int64_t count, const TriggerOptions& trigger) {
  using Segments = LatentSplice::Segments;
  LatentSplice splice{.count = count, .before_boundary_token = trigger.before_boundary_token};
  if (append.kind() == AppendKind::recurrent) splice.segments = Segments::one_by_one;
  if (append.kind() == AppendKind::from_cache) {
    splice.segments = Segments::kept;
    splice.shifts_positions = append.branches().shape.shifts_positions;
  }
  return splice;
}

// The example without the first `steps` steps of its answer; the last one always stays.
Example without_steps(const Example& example, int64_t steps, const BoundaryTable& table,
                      const std::vector<int32_t>& eos_ids) {
  const TriggerOptions newlines{.kind = "newline", .at_prompt_end = false};
  const std::vector<int64_t> starts = step_starts(example.ids, example.prompt_length, table, newlines, eos_ids);
  if (steps == 0 || starts.empty()) return example;
  const int64_t end = starts[std::min(starts.size(), static_cast<size_t>(steps)) - 1];
  Example shorter = example;
  const auto cut = [&](auto& values) { values.erase(values.begin() + example.prompt_length, values.begin() + end); };
  cut(shorter.ids);
  cut(shorter.supervised);
  if (!shorter.uncertainty.empty()) cut(shorter.uncertainty);
  return shorter;
}

Plan staged_plan(const Append& append, int64_t stage, const std::vector<Example>& batch, const BoundaryTable& table,
                 const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids) {
  std::vector<Example> shorter;
  for (const Example& example : batch) shorter.push_back(without_steps(example, stage, table, eos_ids));
  const int64_t latents = stage * append.curriculum().per_step;
  if (latents == 0) return make_plan(shorter, table, never(trigger), eos_ids);
  return with_latents(make_plan(shorter, table, trigger, eos_ids), splice_of(append, latents, trigger));
}

}  // namespace

int64_t rows_per_call(const Method* method) {
  const Effects effects = method != nullptr ? method->effects() : Effects{};
  if (effects.append != nullptr) return effects.append->count();
  return effects.append_rows != nullptr ? effects.append_rows->row_capacity() : 0;
}

int64_t most_added_rows(const Method* method, const TriggerOptions& trigger, int64_t prompt_tokens,
                        int64_t new_tokens) {
  const int64_t rows = rows_per_call(method);
  if (rows == 0) return 0;
  int64_t calls = new_tokens + 1 + (trigger.inside_prompt ? prompt_tokens : 0);
  if (trigger.kind == "none") calls = 1;
  if (trigger.kind == "every_n") calls = calls / trigger.every_n + 2;
  if (trigger.max_calls > 0) calls = std::min(calls, trigger.max_calls);
  return checked_mul(calls, rows, "cache rows that a method adds");
}

bool appends_recurrently(const Method* method) {
  const Append* append = method != nullptr ? method->effects().append : nullptr;
  return append != nullptr && append->kind() == AppendKind::recurrent;
}

bool appends_from_cache(const Method* method) {
  const Append* append = method != nullptr ? method->effects().append : nullptr;
  return append != nullptr && append->kind() == AppendKind::from_cache;
}

bool is_gated(const Method* method) {
  const Append* append = method != nullptr ? method->effects().append : nullptr;
  return append != nullptr && append->gate().learned;
}

Plan plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
              const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids) {
  const Effects effects = method != nullptr ? method->effects() : Effects{};
  Plan plan = make_plan(batch, table, effects.any() ? trigger : never(trigger), eos_ids);
  if (effects.steer != nullptr) plan.steered = steered_tokens(plan, effects.steer->places(), table, trigger, eos_ids);
  if (effects.append == nullptr) return plan;
  return with_latents(plan, splice_of(*effects.append, effects.append->count(), trigger));
}

Plan training_plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
                       const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, const BranchDraw& draw) {
  const Append* append = method != nullptr ? method->effects().append : nullptr;
  if (append != nullptr && append->curriculum().stage_steps > 0) {
    const Curriculum curriculum = append->curriculum();
    const bool is_last = draw.draw == kValidationDraw;
    const int64_t stage = is_last ? curriculum.stages : curriculum.stage(static_cast<int64_t>(draw.draw));
    return staged_plan(*append, stage, batch, table, trigger, eos_ids);
  }
  if (!appends_from_cache(method)) return plan_for(method, batch, table, trigger, eos_ids);
  return with_branches(make_plan(batch, table, never(trigger), eos_ids), append->branches(), draw);
}

}  // namespace bt
