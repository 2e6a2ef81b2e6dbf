#include "bt/runtime/method_plan.h"

#include "bt/data/splice.h"

namespace bt {
namespace {

TriggerOptions never(TriggerOptions trigger) {
  trigger.kind = "none";
  trigger.at_prompt_end = false;
  return trigger;
}

}  // namespace

bool appends_from_cache(const Method* method) {
  const Append* append = method != nullptr ? method->effects().append : nullptr;
  return append != nullptr && append->kind() == AppendKind::from_cache;
}

Plan plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
              const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids) {
  const Effects effects = method != nullptr ? method->effects() : Effects{};
  Plan plan = make_plan(batch, table, effects.any() ? trigger : never(trigger), eos_ids);
  if (effects.append == nullptr) return plan;
  const bool from_cache = appends_from_cache(method);
  return with_latents(plan, {.count = effects.append->count(),
                             .before_boundary_token = trigger.before_boundary_token,
                             .shifts_positions = !from_cache || effects.append->branches().shape.shifts_positions,
                             .keeps_segments = from_cache});
}

Plan training_plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
                       const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, const BranchDraw& draw) {
  if (!appends_from_cache(method)) return plan_for(method, batch, table, trigger, eos_ids);
  return with_branches(make_plan(batch, table, never(trigger), eos_ids), method->effects().append->branches(), draw);
}

}  // namespace bt
