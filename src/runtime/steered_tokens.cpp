#include "steered_tokens.h"

namespace bt {
namespace {

TriggerOptions step_ends(const TriggerOptions& trigger) {
  return {.kind = "newline", .min_step_tokens = trigger.min_step_tokens, .at_prompt_end = false, .inside_prompt = true};
}

}  // namespace

SteeredTokens::SteeredTokens(SteerPlaces places, const BoundaryTable& table, const TriggerOptions& trigger,
                             const std::vector<int32_t>& eos_ids)
    : places_(places), holds_back_(trigger.before_boundary_token), newlines_(table, step_ends(trigger), eos_ids) {}

bool SteeredTokens::push(int32_t id, bool acts_before, bool acts_behind) {
  open_ = open_ || acts_before;
  const bool is_boundary_token = holds_back_ ? acts_before : acts_behind;
  const bool is_steered = places_ == SteerPlaces::boundary_token ? is_boundary_token : open_;
  // A step begins behind its event, but the token that the event held back belongs to the text of the step before.
  if (acts_before && !holds_back_) newlines_.begin_response();
  const bool ends_step = id >= 0 && newlines_.push(id);
  if (acts_before && holds_back_) {
    newlines_.begin_response();
  } else if (ends_step && places_ == SteerPlaces::next_step) {
    open_ = false;
  }
  return is_steered;
}

std::vector<uint8_t> steered_tokens(const Plan& plan, SteerPlaces places, const BoundaryTable& table,
                                    const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids) {
  std::vector<uint8_t> is_cut(plan.ids.size() + 1, 0);  // the method acts before the token
  for (const PlanEvent& event : plan.events)
    is_cut[static_cast<size_t>(plan.sequences[static_cast<size_t>(event.sequence)].begin + event.rows)] = 1;
  std::vector<uint8_t> steered(plan.ids.size(), 0);
  for (const PlanSequence& sequence : plan.sequences) {
    SteeredTokens tokens(places, table, trigger, eos_ids);
    for (int64_t at = sequence.begin; at < sequence.end; ++at) {
      const auto token = static_cast<size_t>(at);
      const bool acts_behind = at + 1 < sequence.end && is_cut[token + 1] != 0;
      steered[token] = tokens.push(plan.ids[token], is_cut[token] != 0, acts_behind) ? 1 : 0;
    }
  }
  return steered;
}

}  // namespace bt
