// Which tokens of a sequence a steering method acts on: the one place that says so, for plans and for decoding.
#pragma once

#include <cstdint>
#include <vector>

#include "bt/data/plan.h"
#include "bt/latent/effects.h"

namespace bt {

// Fed a whole sequence one token at a time. The table must outlive it.
class SteeredTokens {
 public:
  SteeredTokens(SteerPlaces places, const BoundaryTable& table, const TriggerOptions& trigger,
                const std::vector<int32_t>& eos_ids);
  // Is this token steered? The method acts before it, or behind it; ids below 0 are latents.
  bool push(int32_t id, bool acts_before, bool acts_behind);

 private:
  SteerPlaces places_;
  bool holds_back_;           // the boundary token follows the event
  bool open_ = false;         // an event has been (next_step: and its step has not ended)
  BoundaryScanner newlines_;  // where steps end, whether or not the method acts there
};

// Plan::steered of a plan cut at the method's boundaries, before anything is spliced into it.
std::vector<uint8_t> steered_tokens(const Plan& plan, SteerPlaces places, const BoundaryTable& table,
                                    const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids);

}  // namespace bt
