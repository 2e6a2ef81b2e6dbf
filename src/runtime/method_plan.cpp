#include "bt/runtime/method_plan.h"

#include "bt/data/splice.h"

namespace bt {

Plan plan_for(const Method* method, const std::vector<Example>& batch, const BoundaryTable& table,
              const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids) {
  const Effects effects = method != nullptr ? method->effects() : Effects{};
  TriggerOptions when = trigger;
  if (!effects.any()) {
    when.kind = "none";
    when.at_prompt_end = false;
  }
  Plan plan = make_plan(batch, table, when, eos_ids);
  if (effects.append == nullptr) return plan;
  return with_latents(plan, effects.append->count(), trigger.before_boundary_token);
}

}  // namespace bt
